// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// callerRetry and maxCallerRetry bound the time between two attempts to find out
	// who the credentials belong to.
	callerRetry    = 5 * time.Second
	maxCallerRetry = time.Minute
)

const callerAction = "sts:GetCallerIdentity"

// account is an identity as it is at present.
type account struct {
	hub      *hub
	name     string
	identity Identity
	cancel   context.CancelFunc
	gone     chan struct{} // closed when it is replaced
	wake     chan struct{} // of who asks for the caller
	queues   []*queueReader

	mu      sync.Mutex
	apis    map[string]API // by region
	caller  Caller
	failure *Failure
	failing map[Queue]*Failure
	retry   time.Duration // 0: the first attempt
	due     time.Time     // when the caller is asked for
}

func newAccount(h *hub, name string, identity Identity) *account {
	a := &account{
		hub: h, name: name, identity: cloneIdentity(identity), cancel: func() {},
		gone: make(chan struct{}), wake: make(chan struct{}, 1),
		apis: map[string]API{}, failing: map[Queue]*Failure{},
	}
	if identity.Unusable {
		a.failure = &Failure{Kind: CredentialsUnavailable, Action: callerAction}
		return a
	}
	for _, queue := range a.identity.Queues {
		a.queues = append(a.queues, &queueReader{account: a, queue: queue, wake: make(chan struct{}, 1)})
	}
	return a
}

// inherit keeps what an earlier state found out with the same credentials.
func (a *account) inherit(old *account) {
	if old == nil || a.identity.Unusable || !sameCredentials(&old.identity, &a.identity) {
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	a.caller = old.caller
}

func (a *account) start() {
	workers := []func(context.Context){
		func(ctx context.Context) { a.hub.repeat(ctx, a.wake, a.askCaller) },
	}
	for _, q := range a.queues {
		workers = append(workers, func(ctx context.Context) { a.hub.repeat(ctx, q.wake, q.turn) })
	}
	a.cancel = a.hub.employ(workers...)
}

func (a *account) stop() {
	a.cancel()
	close(a.gone)
}

// wakeUp is called when there is a region more.
func (a *account) wakeUp() {
	poke(a.wake)
	for _, q := range a.queues {
		poke(q.wake)
	}
}

// api returns the connection to a region.
func (a *account) api(region string) API {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.apis[region] == nil {
		a.apis[region] = a.hub.connector.Connect(a.identity, region)
	}
	return a.apis[region]
}

// askCaller asks who the credentials belong to, if that is not known.
func (a *account) askCaller(ctx context.Context) time.Duration {
	region := a.region()
	a.mu.Lock()
	known, wait := a.caller != Caller{}, a.due.Sub(a.hub.clock.Now())
	a.mu.Unlock()
	if known || region == "" || a.identity.Unusable {
		return forever
	}
	if wait > 0 {
		return wait
	}
	caller, err := a.api(region).Caller(ctx)
	if ctx.Err() != nil {
		return forever
	}
	defer a.hub.tellIdentity(a.name)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.caller, a.failure = caller, nil
		return forever
	}
	if f := failureOf(err, callerAction); !sameFailure(a.failure, f) {
		a.failure = f
	}
	a.retry = min(max(2*a.retry, callerRetry), maxCallerRetry)
	a.due = a.hub.clock.Now().Add(a.retry)
	return a.retry
}

// region is where the caller is asked for; empty if there is none yet.
func (a *account) region() string {
	region := a.identity.Region
	if region != "" {
		return region
	}
	for _, s := range a.hub.sourcesOf(a.name) {
		if region == "" || s.Region < region {
			region = s.Region
		}
	}
	return region
}

// noteQueue keeps why a queue cannot be read; nil: it can.
func (a *account) noteQueue(queue Queue, f *Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if sameFailure(a.failing[queue], f) {
		return
	}
	if a.failing[queue] = f; f == nil {
		delete(a.failing, queue)
	}
	a.hub.tellIdentity(a.name)
}

func cloneIdentity(i Identity) Identity {
	if i.Role != nil {
		role := *i.Role
		role.SessionTags = maps.Clone(role.SessionTags)
		i.Role = &role
	}
	if i.AccessKey != nil {
		key := *i.AccessKey
		i.AccessKey = &key
	}
	i.Queues = slices.Clone(i.Queues)
	return i
}

func sameIdentity(a, b *Identity) bool {
	return sameCredentials(a, b) && a.Unusable == b.Unusable && a.InstanceStatus == b.InstanceStatus &&
		a.AutoScaling == b.AutoScaling && a.Region == b.Region && slices.Equal(a.Queues, b.Queues)
}

func sameCredentials(a, b *Identity) bool {
	return equal(a.AccessKey, b.AccessKey, func(x, y *AccessKey) bool { return *x == *y }) &&
		equal(a.Role, b.Role, func(x, y *Role) bool {
			return x.ARN == y.ARN && x.ExternalID == y.ExternalID && maps.Equal(x.SessionTags, y.SessionTags)
		})
}

// equal compares what two pointers point to, if both do.
func equal[T any](a, b *T, same func(a, b *T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return same(a, b)
}
