// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// checkOn is a check with a credential from a namespace.
func checkOn(t testing.TB, namespace string, port uint16, edits ...func(*health.Check)) *health.Check {
	t.Helper()
	c := health.Check{Kind: health.HTTP, Port: port, Timing: health.Timing{Interval: time.Second}, HTTP: &health.HTTPCheck{
		Headers: []health.Header{{Name: "Authorization", From: health.SecretKey{Namespace: namespace, Secret: "checks", Key: "token"}}},
	}}
	for _, edit := range edits {
		edit(&c)
	}
	check, err := health.NewCheck(c)
	if err != nil {
		t.Fatal(err)
	}
	return check
}

// TestCredentialsAreSentAsPolicyAllows: it is asked at the moment of sending as well,
// for all that makes the check, since it may have been planned when more was allowed.
func TestCredentialsAreSentAsPolicyAllows(t *testing.T) {
	allowed := func(name string, checks guard.Checks) guard.Policy {
		checks.Secrets = true
		return guard.Policy{Name: name, Allow: &guard.Allow{CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Checks: checks}}
	}
	config := guard.Config{
		Policies: []guard.Policy{
			allowed("plain", guard.Checks{}),
			allowed("all", guard.Checks{CustomHost: true, BodyMatching: true, InsecureSkipVerify: true}),
			allowed("tcp", guard.Checks{Kinds: []string{"tcp"}, CustomHost: true}),
		},
		Namespaces: map[string][]string{"plain": {"plain"}, "all": {"all"}, "tcp": {"tcp"}},
	}
	ways := map[string]func(*health.Check){
		"as it comes":        func(*health.Check) {},
		"with another Host":  func(c *health.Check) { c.HTTP.Host = "admin.example.com" },
		"with another name":  func(c *health.Check) { c.TLS = &health.TLSConfig{ServerName: "admin.example.com"} },
		"without verifying":  func(c *health.Check) { c.TLS = &health.TLSConfig{InsecureSkipVerify: true} },
		"matching the body":  func(c *health.Check) { c.HTTP.Body = &health.ExpectedBody{Contains: "ok"} },
		"verified by itself": func(c *health.Check) { c.TLS = &health.TLSConfig{} },
	}
	inPlain := map[string]bool{"as it comes": true, "verified by itself": true}
	withVault(t, config, func(t *testing.T, v *vault, c *Credentials) {
		for n, namespace := range []string{"plain", "all", "tcp"} {
			v.put(namespace, "checks", "token", namespace)
			c.Ensure(subscriber(namespace, n), refs(health.SecretKey{Namespace: namespace, Secret: "checks", Key: "token"}))
		}
		synctest.Wait()
		for way, edit := range ways {
			for namespace, sent := range map[string]bool{"plain": inPlain[way], "all": true, "tcp": false} {
				check := checkOn(t, namespace, 80, edit)
				value, problem := c.Value(check, check.HTTP.Headers[0].From, somewhere)
				if (value == namespace) != sent || (problem == health.AddressDenied) == sent {
					t.Errorf("%s in %s: sent %q (%s), want it sent: %t", way, namespace, value, problem, sent)
				}
			}
		}
	})
}

// TestCredentialsAreSentWherePolicyAllows: it is asked for the address and port and
// for the namespace of the Secret.
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
			to := netip.MustParseAddrPort(tt.to)
			check := checkOn(t, tt.namespace, to.Port())
			value, problem := c.Value(check, check.HTTP.Headers[0].From, to.Addr())
			if problem != "" {
				value += "(" + string(problem) + ")"
			}
			if value != tt.want {
				t.Errorf("%s, to %s: %s, want %s", tt.namespace, tt.to, value, tt.want)
			}
		}
	})
}
