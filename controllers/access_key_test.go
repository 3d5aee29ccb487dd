// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
)

func accessKeySecret(values ...string) *corev1.Secret {
	secret := &corev1.Secret{Type: v1alpha1.SecretTypeAWSAccessKey, Data: make(map[string][]byte)}
	for i := 0; i < len(values); i += 2 {
		secret.Data[values[i]] = []byte(values[i+1])
	}
	return secret
}

// Whatever is wrong with a Secret is told, with what to do, and never what is in it.
func TestAccessKeysAreJudged(t *testing.T) {
	const id, secret = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY="
	resource := schema.GroupResource{Resource: "secrets"}
	wrongType := accessKeySecret("accessKeyID", id, "secretAccessKey", secret)
	wrongType.Type = corev1.SecretTypeOpaque
	for name, test := range map[string]struct {
		found *corev1.Secret
		err   error
		key   *ec2.AccessKey
		parts []string // of what is wrong
	}{
		"a key that lasts":     {accessKeySecret("accessKeyID", id, "secretAccessKey", secret), nil, &ec2.AccessKey{ID: id, Secret: secret}, nil},
		"a temporary key":      {accessKeySecret("accessKeyID", id, "secretAccessKey", secret, "sessionToken", "token=="), nil, &ec2.AccessKey{ID: id, Secret: secret, SessionToken: "token=="}, nil},
		"lines that are ended": {accessKeySecret("accessKeyID", id+"\n", "secretAccessKey", secret+"\r\n"), nil, &ec2.AccessKey{ID: id, Secret: secret}, nil},
		"other keys":           {accessKeySecret("accessKeyID", id, "secretAccessKey", secret, "note", "\x00"), nil, &ec2.AccessKey{ID: id, Secret: secret}, nil},
		"gone":                 {&corev1.Secret{}, apierrors.NewNotFound(resource, "key"), nil, []string{"does not exist: create it", "externalbackend.dev/aws-access-key", "accessKeyID"}},
		"forbidden":            {&corev1.Secret{}, apierrors.NewForbidden(resource, "key", errors.New("no")), nil, []string{"may not be read", "bind the Role access-key-reader"}},
		"of another type":      {wrongType, nil, nil, []string{`of type "Opaque"`, "create it anew with the type externalbackend.dev/aws-access-key"}},
		"without an id":        {accessKeySecret("secretAccessKey", secret), nil, nil, []string{"no key accessKeyID: add it"}},
		"without a secret":     {accessKeySecret("accessKeyID", id), nil, nil, []string{"no key secretAccessKey: add it"}},
		"empty":                {accessKeySecret("accessKeyID", id, "secretAccessKey", "\n"), nil, nil, []string{"empty value in the key secretAccessKey"}},
		"an empty token":       {accessKeySecret("accessKeyID", id, "secretAccessKey", secret, "sessionToken", ""), nil, nil, []string{"empty value in the key sessionToken"}},
		"too long":             {accessKeySecret("accessKeyID", strings.Repeat("A", 129), "secretAccessKey", secret), nil, nil, []string{"more than 128 bytes in the key accessKeyID"}},
		"too long a token":     {accessKeySecret("accessKeyID", id, "secretAccessKey", secret, "sessionToken", strings.Repeat("A", 8193)), nil, nil, []string{"more than 8192 bytes in the key sessionToken"}},
		"garbled":              {accessKeySecret("accessKeyID", id, "secretAccessKey", secret+"\x00"), nil, nil, []string{"other characters", "secretAccessKey"}},
		"of two lines":         {accessKeySecret("accessKeyID", id+"\n"+id, "secretAccessKey", secret), nil, nil, []string{"other characters", "accessKeyID"}},
		"not in ASCII":         {accessKeySecret("accessKeyID", "schlüssel", "secretAccessKey", secret), nil, nil, []string{"other characters", "accessKeyID"}},
	} {
		t.Run(name, func(t *testing.T) {
			key, problem := judgeAccessKey("Secret key of namespace operators", test.found, test.err)
			switch {
			case (key == nil) != (test.key == nil), key != nil && *key != *test.key, (key == nil) != (problem != ""):
				t.Fatalf("got %v and %q, want %v", key, problem, test.key)
			case strings.Contains(problem, secret), strings.Contains(problem, id):
				t.Errorf("%q says what is in the Secret", problem)
			}
			for _, part := range test.parts {
				if !strings.Contains(problem, part) || !strings.Contains(problem, "Secret key of namespace operators") {
					t.Errorf("%q lacks %q, or where it is", problem, part)
				}
			}
		})
	}
}

// What an access key is never says what is in it.
func TestAccessKeysAreHidden(t *testing.T) {
	key := ec2.AccessKey{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI", SessionToken: "token"}
	for _, text := range []string{key.String(), key.GoString()} {
		if strings.Contains(text, "AKIA") || strings.Contains(text, "wJal") || strings.Contains(text, "token") {
			t.Errorf("%q says what it must not", text)
		}
	}
}

// keyring is an API server with one Secret, and who reads that.
func keyring(t *testing.T) (*vault, *accessKeys) {
	t.Helper()
	v := &vault{secrets: map[client.ObjectKey]*corev1.Secret{}, stuck: map[string]bool{}, reads: map[string][]float64{}, began: time.Now()}
	v.secrets[client.ObjectKey{Namespace: "operators", Name: "key"}] = accessKeySecret("accessKeyID", "one", "secretAccessKey", "secret")
	return v, &accessKeys{live: v, clock: clock.RealClock{}, namespace: "operators", period: time.Minute}
}

// A Secret is read once in a period, however many identities name it, and at once
// for one that has changed.
func TestAccessKeysAreReadOnceInAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, keys := keyring(t)
		for minute := range 3 {
			for range 5 {
				if key, problem, again := keys.get(t.Context(), "key", false); key == nil || problem != "" || again != time.Minute {
					t.Fatalf("got %v, %q and %v", key, problem, again)
				}
			}
			if n := len(v.reads["operators/key"]); n != minute+1 {
				t.Fatalf("%d reads in minute %d", n, minute)
			}
			time.Sleep(time.Minute)
		}
		keys.get(t.Context(), "key", true)
		time.Sleep(20 * time.Second)
		if _, _, again := keys.get(t.Context(), "key", false); again != 40*time.Second {
			t.Errorf("to be read again after %v", again)
		}
		keys.get(t.Context(), "key", true)
		if n := len(v.reads["operators/key"]); n != 5 {
			t.Errorf("%d reads, and 2 of them at once", n)
		}
		keys.keep(map[string]bool{"other": true})
		if len(keys.secrets) != 0 {
			t.Error("a key is kept that nobody names")
		}
	})
}

// What a Secret says holds at once, also that there is none; a read that fails
// changes nothing.
func TestAccessKeysOutliveFailingReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, keys := keyring(t)
		name := client.ObjectKey{Namespace: "operators", Name: "key"}
		expect := func(id, problem string, again time.Duration) {
			t.Helper()
			key, said, after := keys.get(t.Context(), "key", false)
			if (key == nil) != (id == "") || key != nil && key.ID != id || (problem == "") != (said == "") || !strings.Contains(said, problem) || after != again {
				t.Errorf("got %v, %q and %v, want %q, %q and %v", key != nil, said, after, id, problem, again)
			}
			time.Sleep(after)
		}
		v.err = errors.New("away")
		expect("", "could not be read yet", 5*time.Second)
		v.err = nil
		expect("one", "", time.Minute)
		v.err = errors.New("away")
		expect("one", "", 5*time.Second)
		expect("one", "", 10*time.Second)
		v.err = nil
		v.secrets[name] = accessKeySecret("accessKeyID", "two", "secretAccessKey", "secret")
		expect("two", "", time.Minute)
		delete(v.secrets, name)
		for _, again := range []int{5, 10, 20, 40, 60, 60} {
			expect("", "does not exist", time.Duration(again)*time.Second)
		}
		v.err = errors.New("away")
		expect("", "does not exist", time.Minute)
		v.err = nil
		v.secrets[name] = accessKeySecret("accessKeyID", "three", "secretAccessKey", "secret")
		expect("three", "", time.Minute)
	})
}

// A read that gets no answer is given up.
func TestAccessKeysThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, keys := keyring(t)
		v.stuck["operators"] = true
		began := time.Now()
		if key, problem, _ := keys.get(t.Context(), "key", false); key != nil || !strings.Contains(problem, "could not be read yet") || time.Since(began) != secretTimeout {
			t.Errorf("got %v and %q after %v", key, problem, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if key, _, _ := keys.get(ctx, "key", true); key != nil {
			t.Errorf("got %v", key)
		}
	})
}

// Without a namespace of its own, the operator reads nothing.
func TestAccessKeysNeedANamespace(t *testing.T) {
	v, keys := keyring(t)
	keys.namespace = ""
	if key, problem, _ := keys.get(t.Context(), "key", true); key != nil || !strings.Contains(problem, "does not know its own namespace") || len(v.reads) > 0 {
		t.Errorf("got %v and %q after %d reads", key, problem, len(v.reads))
	}
}
