// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
)

// TestJudgedCredentials: what can be sent is sent, and nothing else.
func TestJudgedCredentials(t *testing.T) {
	const kind = v1alpha1.SecretTypeCheckCredentials
	longest := strings.Repeat("a", maxCredential)
	for name, tt := range map[string]struct {
		kind  corev1.SecretType
		value string
		err   error
		want  credential
	}{
		"plain":                  {kind, "Bearer a b~", nil, credential{value: "Bearer a b~"}},
		"a newline at its end":   {kind, "a\n", nil, credential{value: "a"}},
		"one of Windows":         {kind, "a\r\n", nil, credential{value: "a"}},
		"a tab":                  {kind, "a\tb", nil, credential{value: "a\tb"}},
		"the longest":            {kind, longest + "\n", nil, credential{value: longest}},
		"too long":               {kind, longest + "a", nil, credential{problem: health.InvalidSecretValue}},
		"empty":                  {kind, "", nil, credential{problem: health.InvalidSecretValue}},
		"a newline alone":        {kind, "\n", nil, credential{problem: health.InvalidSecretValue}},
		"two newlines":           {kind, "a\n\n", nil, credential{problem: health.InvalidSecretValue}},
		"another header":         {kind, "a\r\nHost: b", nil, credential{problem: health.InvalidSecretValue}},
		"a carriage return":      {kind, "a\rb", nil, credential{problem: health.InvalidSecretValue}},
		"a null":                 {kind, "a\x00", nil, credential{problem: health.InvalidSecretValue}},
		"delete":                 {kind, "a\x7f", nil, credential{problem: health.InvalidSecretValue}},
		"not ASCII":              {kind, "ü", nil, credential{problem: health.InvalidSecretValue}},
		"no text":                {kind, "\xff", nil, credential{problem: health.InvalidSecretValue}},
		"of another type":        {corev1.SecretTypeOpaque, "a", nil, credential{problem: health.SecretTypeMismatch}},
		"a ServiceAccount token": {corev1.SecretTypeServiceAccountToken, "a", nil, credential{problem: health.SecretTypeMismatch}},
		"without a type":         {"", "a", nil, credential{problem: health.SecretTypeMismatch}},
		"forbidden":              {"", "", errRefused, credential{problem: health.SecretForbidden}},
		"not there":              {"", "", apierrors.NewNotFound(schema.GroupResource{}, "checks"), credential{problem: health.SecretNotFound}},
	} {
		t.Run(name, func(t *testing.T) {
			found := &corev1.Secret{Type: tt.kind, Data: map[string][]byte{"token": []byte(tt.value), "other": []byte("b")}}
			if got := judge(found, "token", tt.err); got != tt.want {
				t.Errorf("got %.40q, %s", got.value, got.problem)
			}
		})
	}
	if got := judge(&corev1.Secret{Type: kind, Data: map[string][]byte{"other": []byte("b")}}, "token", nil); got != (credential{problem: health.SecretKeyNotFound}) {
		t.Errorf("without the key: %v", got)
	}
}

// TestCredentialsAreSentWherePolicyAllows: it is asked at the moment of sending as
// well, for the address and port and for the namespace of the Secret.
func TestCredentialsAreSentWherePolicyAllows(t *testing.T) {
	grant := func(secrets bool) guard.Policy {
		return guard.Policy{Name: fmt.Sprint("secrets-", secrets), Allow: &guard.Allow{
			CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Checks: guard.Checks{Secrets: secrets},
		}}
	}
	config := guard.Config{
		Policies:   []guard.Policy{grant(true), grant(false)},
		Namespaces: map[string][]string{"shop": {"secrets-true"}, "attic": {"secrets-false"}},
	}
	withVault(t, config, func(t *testing.T, v *vault, c *Credentials) {
		for n, namespace := range []string{"shop", "attic", "open"} {
			v.put(namespace, "checks", "token", namespace)
			c.Ensure(subscriber(namespace, n), refs(health.SecretKey{Namespace: namespace, Secret: "checks", Key: "token"}))
		}
		synctest.Wait()
		for _, tt := range []struct{ namespace, to, want string }{
			{"shop", "192.0.2.10:80", "shop"},
			{"shop", "198.51.100.10:80", "(AddressDenied)"},
			{"attic", "192.0.2.10:80", "(AddressDenied)"},
			{"open", "198.51.100.10:80", "open"},
			{"open", "169.254.169.254:80", "(AddressDenied)"},
		} {
			value, problem := c.Value(health.SecretKey{Namespace: tt.namespace, Secret: "checks", Key: "token"}, netip.MustParseAddrPort(tt.to))
			if problem != "" {
				value += "(" + string(problem) + ")"
			}
			if value != tt.want {
				t.Errorf("%s, to %s: %s, want %s", tt.namespace, tt.to, value, tt.want)
			}
		}
	})
}
