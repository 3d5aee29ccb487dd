// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
)

// vault is an API server that has Secrets.
type vault struct {
	client.Reader

	mu      sync.Mutex
	secrets map[client.ObjectKey]*corev1.Secret
	err     error                // instead of an answer
	stuck   map[string]bool      // namespaces of which it says nothing
	reads   map[string][]float64 // seconds at which Secrets were read
	began   time.Time
	woken   map[health.Subscriber]int
}

func (v *vault) Get(ctx context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads[key.String()] = append(v.reads[key.String()], time.Since(v.began).Seconds())
	if v.stuck[key.Namespace] {
		v.mu.Unlock()
		<-ctx.Done()
		v.mu.Lock()
		return ctx.Err()
	}
	found := v.secrets[key]
	switch {
	case v.err != nil:
		return v.err
	case found == nil:
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	found.DeepCopyInto(into.(*corev1.Secret))
	return nil
}

// set makes an error the answer to every read, or ends that.
func (v *vault) set(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

func (v *vault) put(namespace, name, key, value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.secrets[client.ObjectKey{Namespace: namespace, Name: name}] = &corev1.Secret{
		Type: v1alpha1.SecretTypeCheckCredentials, Data: map[string][]byte{key: []byte(value)},
	}
}

// readsOf returns when a Secret was read, and forgets that.
func (v *vault) readsOf(key string) []float64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer delete(v.reads, key)
	return v.reads[key]
}

// withVault runs a test with time of its own.
func withVault(t *testing.T, policies guard.Config, test func(t *testing.T, v *vault, c *Credentials)) {
	synctest.Test(t, func(t *testing.T) {
		matcher, err := guard.Compile(policies)
		if err != nil {
			t.Fatal(err)
		}
		v := &vault{
			secrets: map[client.ObjectKey]*corev1.Secret{}, stuck: map[string]bool{}, reads: map[string][]float64{},
			began: time.Now(), woken: map[health.Subscriber]int{},
		}
		c := &Credentials{Live: v, Limit: rate.NewLimiter(rate.Inf, 0), Guard: matcher, Changed: func(sub health.Subscriber) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.woken[sub]++
		}}
		ctx, cancel := context.WithCancel(t.Context())
		c.prepare(ctx)
		var ended sync.WaitGroup
		ended.Go(func() {
			if err := c.Start(ctx); err != nil {
				t.Error(err)
			}
		})
		test(t, v, c)
		cancel()
		ended.Wait()
		synctest.Wait()
	})
}

func refs(list ...health.SecretKey) map[health.SecretKey]bool {
	wanted := make(map[health.SecretKey]bool)
	for _, ref := range list {
		wanted[ref] = true
	}
	return wanted
}

func subscriber(namespace string, n int) health.Subscriber {
	return health.Subscriber{Namespace: namespace, Name: fmt.Sprint("eb-", n)}
}

var (
	tokenRef   = health.SecretKey{Namespace: "shop", Secret: "checks", Key: "token"}
	somewhere  = netip.MustParseAddr("192.0.2.10")
	errAway    = errors.New("no answer")
	errRefused = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "checks", nil)
)

// value returns what a check would send, or in brackets why it would not.
func (c *Credentials) value(ref health.SecretKey) string {
	check := &health.Check{Kind: health.HTTP, Port: 80, HTTP: &health.HTTPCheck{Headers: []health.Header{{From: ref}}}}
	value, problem := c.Value(check, ref, somewhere)
	if problem != "" {
		return "(" + string(problem) + ")" + value
	}
	return value
}

// TestSecretsAreReadOnceAMinute, whoever refers to them and however often that is
// said, and not any more when nobody does.
func TestSecretsAreReadOnceAMinute(t *testing.T) {
	withVault(t, guard.Config{}, func(t *testing.T, v *vault, c *Credentials) {
		v.put("shop", "checks", "token", "one")
		for n := range 100 {
			c.Ensure(subscriber("shop", n), refs(tokenRef))
			c.Ensure(subscriber("shop", n), refs(tokenRef))
		}
		synctest.Wait()
		if got := v.readsOf("shop/checks"); !slices.Equal(got, []float64{0}) || c.value(tokenRef) != "one" {
			t.Fatalf("read at %v, and has %s", got, c.value(tokenRef))
		}
		v.put("shop", "checks", "token", "two")
		time.Sleep(time.Minute)
		synctest.Wait()
		second := v.readsOf("shop/checks")
		if len(second) != 1 || second[0] < 30 || c.value(tokenRef) != "two" {
			t.Fatalf("read at %v, and has %s", second, c.value(tokenRef))
		}
		for n := range 50 {
			c.Forget(subscriber("shop", n))
			c.Ensure(subscriber("shop", n), refs(tokenRef))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		last := second[0]
		rest := v.readsOf("shop/checks")
		for _, at := range rest {
			if gap := at - last; gap < 59.9 || gap > 60.1 {
				t.Errorf("read %f s after the time before", gap)
			}
			last = at
		}
		if len(rest) < 9 || len(rest) > 10 {
			t.Errorf("read %d times in 10 minutes", len(rest))
		}
		for n := range 100 {
			c.Forget(subscriber("shop", n))
		}
		if got := c.value(tokenRef); got != "(SecretUnread)" || len(c.secrets)+len(c.wanted) > 0 {
			t.Errorf("%s is kept though nobody refers to it: %v %v", got, c.secrets, c.wanted)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := v.readsOf("shop/checks"); len(got) > 0 {
			t.Errorf("read at %v though nobody refers to it", got)
		}
	})
}

// TestFurtherKeysOfASecret are read at once, and forgotten when nobody refers to
// them any more.
func TestFurtherKeysOfASecret(t *testing.T) {
	withVault(t, guard.Config{}, func(t *testing.T, v *vault, c *Credentials) {
		v.put("shop", "checks", "token", "one")
		user := health.SecretKey{Namespace: "shop", Secret: "checks", Key: "user"}
		one, other := subscriber("shop", 1), subscriber("shop", 2)
		c.Ensure(one, refs(tokenRef))
		synctest.Wait()
		if got := c.value(user); got != "(SecretUnread)" {
			t.Errorf("a key that nobody refers to is %s", got)
		}
		c.Ensure(other, refs(tokenRef, user))
		synctest.Wait()
		if got := c.value(user); got != "(SecretKeyNotFound)" || c.value(tokenRef) != "one" || v.woken[one] == 0 {
			t.Errorf("%s, %s", got, c.value(tokenRef))
		}
		if got := c.Problems(one); len(got) > 0 {
			t.Errorf("the one who does not refer to it is told: %v", got)
		}
		if got := c.Problems(other); len(got) != 1 || got[0].Key != "user" || got[0].Secret != "checks" || got[0].Reason != health.SecretKeyNotFound {
			t.Errorf("problems %v", got)
		}
		c.Ensure(other, refs(user))
		c.Ensure(one, nil)
		if got := c.value(tokenRef); got != "(SecretUnread)" {
			t.Errorf("%s is kept though nobody refers to it", got)
		}
	})
}

// TestFailedReads of a Secret say nothing about it. They are tried again ever more
// seldom, and so is what cannot be used.
func TestFailedReads(t *testing.T) {
	gaps := []float64{5, 10, 20, 40, 60, 60}
	for name, tt := range map[string]struct {
		err         error
		first, then string // what is sent, if it was never read, and if it was
	}{
		"no answer":         {errAway, "(SecretUnread)", "one"},
		"timeout":           {context.DeadlineExceeded, "(SecretUnread)", "one"},
		"internal error":    {apierrors.NewInternalError(errAway), "(SecretUnread)", "one"},
		"too many requests": {apierrors.NewTooManyRequests("later", 1), "(SecretUnread)", "one"},
		"unavailable":       {apierrors.NewServiceUnavailable("later"), "(SecretUnread)", "one"},
		"unauthorized":      {apierrors.NewUnauthorized("who are you"), "(SecretUnread)", "one"},
		"forbidden":         {errRefused, "(SecretForbidden)", "(SecretForbidden)"},
		"not found":         {apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "checks"), "(SecretNotFound)", "(SecretNotFound)"},
	} {
		t.Run(name, func(t *testing.T) {
			withVault(t, guard.Config{}, func(t *testing.T, v *vault, c *Credentials) {
				v.put("shop", "checks", "token", "one")
				v.set(tt.err)
				sub := subscriber("shop", 1)
				c.Ensure(sub, refs(tokenRef))
				time.Sleep(3*time.Minute + 30*time.Second)
				synctest.Wait()
				last := 0.0
				for i, at := range v.readsOf("shop/checks")[1:] {
					if at-last != gaps[i] {
						t.Errorf("read again after %f s, want %f", at-last, gaps[i])
					}
					last = at
				}
				if problems := c.Problems(sub); c.value(tokenRef) != tt.first || len(problems) != 1 || "("+string(problems[0].Reason)+")" != tt.first || v.woken[sub] != 1 {
					t.Errorf("never read: %s, %v, woken %d times", c.value(tokenRef), problems, v.woken[sub])
				}
				v.set(nil)
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := c.value(tokenRef); got != "one" || len(c.Problems(sub)) > 0 || v.woken[sub] != 2 {
					t.Errorf("read: %s, woken %d times", got, v.woken[sub])
				}
				v.set(tt.err)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got := c.value(tokenRef); got != tt.then || (len(c.Problems(sub)) > 0) != (tt.then != "one") {
					t.Errorf("read before: %s, %v", got, c.Problems(sub))
				}
			})
		})
	}
}

// TestReadsThatHang of one namespace delay those of no other.
func TestReadsThatHang(t *testing.T) {
	withVault(t, guard.Config{}, func(t *testing.T, v *vault, c *Credentials) {
		v.stuck["stuck"] = true
		for n := range 100 {
			c.Ensure(subscriber("stuck", n), refs(health.SecretKey{Namespace: "stuck", Secret: fmt.Sprint("checks-", n), Key: "token"}))
		}
		synctest.Wait()
		v.put("shop", "checks", "token", "one")
		c.Ensure(subscriber("shop", 1), refs(tokenRef))
		synctest.Wait()
		if got := c.value(tokenRef); got != "one" || time.Since(v.began) > 0 {
			t.Errorf("%s after %s", got, time.Since(v.began))
		}
	})
}
