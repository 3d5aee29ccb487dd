// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
)

const (
	// secretReaders is how many Secrets are read at a time.
	secretReaders = 16
	// defaultSecretPeriod is the time between two reads of a Secret.
	defaultSecretPeriod = time.Minute
)

// Credentials reads the Secrets that checks refer to, one by one and beside the
// passes, and is the only place that holds what is in them: values of keys that are
// referred to, as long as they are. It runs on the leader only.
type Credentials struct {
	// Live reads from the API server: Secrets are in no cache.
	Live client.Reader
	// Limit bounds the reads, so that they never use up what the slices need of the
	// API server.
	Limit *rate.Limiter
	Guard Guard
	// Changed is called after something else is in the way of a subscriber's checks
	// than before.
	Changed func(health.Subscriber)
	// Period between two reads of a Secret. Default: a minute.
	Period time.Duration

	queue   workqueue.TypedDelayingInterface[types.NamespacedName]
	mu      sync.RWMutex
	wanted  map[health.Subscriber]map[health.SecretKey]bool
	secrets map[types.NamespacedName]*secret
}

// secret is what is known of one Secret.
type secret struct {
	// users are the subscribers that refer to it.
	users map[health.Subscriber]bool
	// values by key, of those keys that were looked for.
	values map[string]credential
	// asked are the keys for which a read was asked for, which is to find them
	// for everybody.
	asked map[string]bool
	// problems is how many reads in a row found one.
	problems int
	// settled is true after a read that found none: the next one is spread.
	settled bool
	// unread is true if the API server gave no answer the last time.
	unread bool
}

// credential is a value, or what is wrong with it. It never says its value.
type credential struct {
	value   string
	problem health.Reason
}

// SetupWithManager has the Secrets read while the operator leads. What waits to be
// read ends with ctx, also if it never does.
func (c *Credentials) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	c.prepare(ctx)
	if err := mgr.Add(c); err != nil {
		return fmt.Errorf("adding the reader of Secrets: %w", err)
	}
	return nil
}

func (c *Credentials) prepare(ctx context.Context) {
	if c.Period <= 0 {
		c.Period = defaultSecretPeriod
	}
	c.wanted = make(map[health.Subscriber]map[health.SecretKey]bool)
	c.secrets = make(map[types.NamespacedName]*secret)
	c.queue = workqueue.NewTypedDelayingQueue[types.NamespacedName]()
	context.AfterFunc(ctx, c.queue.ShutDown)
}

// NeedLeaderElection says that only the leader reads Secrets.
func (c *Credentials) NeedLeaderElection() bool { return true }

// Start reads Secrets until ctx is done.
func (c *Credentials) Start(ctx context.Context) error {
	work(ctx, c.queue, secretReaders, func(name types.NamespacedName) string { return name.Namespace }, func(name types.NamespacedName) {
		if c.Limit.Wait(ctx) == nil {
			c.read(ctx, name)
		}
	})
	return nil
}

// Ensure makes what a subscriber refers to exactly this. What is referred to for
// the first time is read at once, what nobody refers to any more is forgotten.
func (c *Credentials) Ensure(sub health.Subscriber, wanted map[health.SecretKey]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.wanted[sub]
	if maps.Equal(before, wanted) {
		return
	}
	if c.wanted[sub] = wanted; len(wanted) == 0 {
		delete(c.wanted, sub)
	}
	for ref := range wanted {
		s := c.secrets[secretOf(ref)]
		if s == nil {
			s = &secret{users: make(map[health.Subscriber]bool), values: make(map[string]credential), asked: make(map[string]bool)}
			c.secrets[secretOf(ref)] = s
		}
		s.users[sub] = true
		if !s.asked[ref.Key] {
			s.asked[ref.Key] = true
			c.queue.Add(secretOf(ref))
		}
	}
	for ref := range before {
		c.leave(sub, ref)
	}
}

// leave drops what nobody refers to any more, after a subscriber ceased to.
func (c *Credentials) leave(sub health.Subscriber, ref health.SecretKey) {
	name := secretOf(ref)
	s := c.secrets[name]
	if s == nil || c.wanted[sub][ref] {
		return
	}
	if !c.refersTo(sub, name) {
		delete(s.users, sub)
	}
	if len(s.users) == 0 {
		delete(c.secrets, name)
	} else if !c.keysOf(name, s)[ref.Key] {
		delete(s.values, ref.Key)
		delete(s.asked, ref.Key)
	}
}

func (c *Credentials) refersTo(sub health.Subscriber, name types.NamespacedName) bool {
	for ref := range c.wanted[sub] {
		if secretOf(ref) == name {
			return true
		}
	}
	return false
}

// keysOf returns the keys of a Secret that somebody refers to.
func (c *Credentials) keysOf(name types.NamespacedName, s *secret) map[string]bool {
	keys := make(map[string]bool)
	for sub := range s.users {
		for ref := range c.wanted[sub] {
			if secretOf(ref) == name {
				keys[ref.Key] = true
			}
		}
	}
	return keys
}

func secretOf(ref health.SecretKey) types.NamespacedName {
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Secret}
}

// Forget drops everything that only a subscriber referred to.
func (c *Credentials) Forget(sub health.Subscriber) { c.Ensure(sub, nil) }

// Value returns what a check sends to an address, or why it cannot be had. Policy is
// asked here as well, about all of the check: it was planned when more may have been
// allowed.
func (c *Credentials) Value(check *health.Check, ref health.SecretKey, addr netip.Addr) (string, health.Reason) {
	scope := c.Guard.Scope(ref.Namespace)
	if scope == nil {
		return "", health.SecretUnread
	}
	if err := scope.Check(useOf(check, addr)); err != nil {
		return "", health.AddressDenied
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.secrets[secretOf(ref)]; s != nil {
		if found, known := s.values[ref.Key]; known {
			return found.value, found.problem
		}
	}
	return "", health.SecretUnread
}

// Problems returns what is in the way of a subscriber's checks, sorted.
func (c *Credentials) Problems(sub health.Subscriber) []status.CredentialProblem {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []status.CredentialProblem
	for ref := range c.wanted[sub] {
		s := c.secrets[secretOf(ref)]
		found, known := s.values[ref.Key]
		if !known && s.unread {
			found.problem = health.SecretUnread
		}
		if found.problem != "" {
			list = append(list, status.CredentialProblem{Secret: ref.Secret, Key: ref.Key, Reason: found.problem})
		}
	}
	slices.SortFunc(list, func(a, b status.CredentialProblem) int {
		return strings.Compare(a.Secret+"/"+a.Key, b.Secret+"/"+b.Key)
	})
	return list
}
