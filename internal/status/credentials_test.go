// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"strings"
	"testing"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
)

func lack(secret, key string, reason health.Reason) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Credentials = append(f.Credentials, status.CredentialProblem{Secret: secret, Key: key, Reason: reason})
	}
}

func credentialCases() []conditionCase {
	const stays = "checks that need it are not made, and what is published stays as it is: "
	unavailable := func(name, reason, message string, edits ...func(*status.Facts)) conditionCase {
		return conditionCase{name, edits, v1alpha1.ConditionCredentialsUnavailable, yes, reason, stays + message, false}
	}
	const missing = `there is no Secret "checks": create it with the type externalbackend.dev/check-credentials and the key "token"`
	return []conditionCase{
		unavailable("a Secret is missing", v1alpha1.ReasonSecretNotFound, missing, lack("checks", "token", health.SecretNotFound)),
		unavailable("a Secret may not be read", v1alpha1.ReasonSecretForbidden, `the operator may not read the Secret "checks": in this namespace, bind the `+
			`ClusterRole externalbackend-check-credentials-reader to the operator's ServiceAccount with a RoleBinding`, lack("checks", "token", health.SecretForbidden)),
		unavailable("a Secret is not meant for checks", v1alpha1.ReasonSecretTypeMismatch, `the Secret "checks" is not of the type externalbackend.dev/check-credentials, `+
			`by which its owner agrees that checks send it: create one of that type, since the type of a Secret cannot be changed`, lack("checks", "token", health.SecretTypeMismatch)),
		unavailable("a key is missing", v1alpha1.ReasonSecretKeyNotFound, `the Secret "checks" has no key "token": add it, or name another one`, lack("checks", "token", health.SecretKeyNotFound)),
		unavailable("a value is no header", v1alpha1.ReasonInvalidSecretValue, `what the Secret "checks" holds under "token" cannot be sent as a header: `+
			`it must be 1 byte to 8 KiB of printable ASCII characters in one line`, lack("checks", "token", health.InvalidSecretValue)),
		unavailable("a Secret was never read", v1alpha1.ReasonSecretUnread, `the Secret "checks" has not been read yet, since the API server could not be asked for it: `+
			`it is tried again`, lack("checks", "token", health.SecretUnread)),
		unavailable("several, of which one keeps all keys from being read", v1alpha1.ReasonSecretNotFound, `the Secret "a" has no key "token": add it, or name another one; `+missing,
			lack("a", "token", health.SecretKeyNotFound), lack("checks", "token", health.SecretNotFound)),
	}
}

// TestCredentialEvents: it is told when a credential is missing, when something
// else is wrong with it, and when it is there.
func TestCredentialEvents(t *testing.T) {
	missing, wrong := lack("checks", "token", health.SecretNotFound), lack("checks", "token", health.SecretTypeMismatch)
	for name, tt := range map[string]struct {
		before, now []func(*status.Facts)
		want        string
	}{
		"begins":  {nil, []func(*status.Facts){missing}, "Warning ReadSecrets SecretNotFound: "},
		"changes": {[]func(*status.Facts){missing}, []func(*status.Facts){wrong}, "Warning ReadSecrets SecretTypeMismatch: "},
		"ends":    {[]func(*status.Facts){wrong}, nil, "Normal ReadSecrets CredentialsAvailable: every credential of the checks is there"},
	} {
		t.Run(name, func(t *testing.T) {
			got := eventsText(status.Compute(after(good(tt.before...)), good(tt.now...)).Transitions)
			if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
				t.Errorf("events %q, want one that begins with %q", got, tt.want)
			}
		})
	}
	again := []func(*status.Facts){missing}
	if got := status.Compute(after(good(again...)), good(again...)).Transitions; len(got) > 0 {
		t.Errorf("told twice: %v", got)
	}
}
