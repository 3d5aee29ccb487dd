// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"strings"
	"sync"
	"time"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

// trusted is how long an answer of AWS tells about credentials. They are tried
// elsewhere, and given up for new ones, once in that time.
const trusted = time.Minute

// trust is what the answers of AWS tell about the credentials of a session. A region
// that is not enabled in the account does not know them, which sounds as if they
// were wrong.
type trust struct {
	// turn is held while they are tried in another region.
	turn chan struct{}

	mu sync.Mutex
	// accepted is when they were accepted last, by region; those that do not accept
	// them any more are not there.
	accepted map[string]time.Time
	// tried is when they were last tried in another region.
	tried time.Time
	// key is the id of the access key of the assumed role, and rejected when one was
	// last given up.
	key      string
	rejected time.Time
}

func newTrust() *trust {
	return &trust{turn: make(chan struct{}, 1), accepted: map[string]time.Time{}}
}

func (t *trust) accept(region string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted[region] = time.Now()
}

// refuse notes that a region does not accept the credentials. If it has accepted
// them before, they may be wrong now, whatever other regions have said so far.
func (t *trust) refuse(region string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.accepted[region]; !ok {
		return
	}
	delete(t.accepted, region)
	for other := range t.accepted {
		t.accepted[other] = time.Time{}
	}
	t.tried = time.Time{}
}

// elsewhere says whether another region has just accepted the credentials. If none
// has, ask is one to try, which is own if possible; empty: there is none, or it is
// too early for that.
func (t *trust) elsewhere(region, own string) (accepted bool, ask string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var last time.Time
	for other, at := range t.accepted {
		switch {
		case other == region:
		case now.Sub(at) < trusted:
			return true, ""
		case ask == "" || at.After(last):
			ask, last = other, at
		}
	}
	if own != "" && own != region {
		ask = own
	}
	if ask == "" || now.Sub(t.tried) < trusted {
		return false, ""
	}
	t.tried = now
	return false, ask
}

// obtained notes the access key of the assumed role.
func (t *trust) obtained(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.key = key
}

// reject says whether to give up the access key of the assumed role, which AWS does
// not accept. One that has a successor was given up already.
func (t *trust) reject(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if key == "" || key != t.key || now.Sub(t.rejected) < trusted {
		return false
	}
	t.rejected = now
	return true
}

// unknownKey are the codes with which AWS says that it does not know an access key.
var unknownKey = map[string]bool{
	"AuthFailure":                 true,
	"InvalidClientTokenId":        true,
	"UnrecognizedClientException": true,
}

// conclude finds out what a failure says about the credentials, which had this
// access key if a role was assumed.
func (c *connection) conclude(ctx context.Context, failure *ec2.Failure, key string) {
	switch {
	case failure.Kind == ec2.AccessDenied:
		c.session.trust.accept(c.region) // It knows who has no permission.
	case failure.Kind != ec2.CredentialsInvalid:
	// What assumes a role are others than those that were accepted.
	case unknownKey[failure.Code] && !strings.HasPrefix(failure.Action, "sts:Assume") && c.acceptedElsewhere(ctx):
		failure.Kind = ec2.RegionUnknown
	default:
		c.session.reject(key)
	}
}

// acceptedElsewhere says whether AWS accepts the credentials in another region.
func (c *connection) acceptedElsewhere(ctx context.Context) bool {
	s := c.session
	s.trust.refuse(c.region)
	select {
	case s.trust.turn <- struct{}{}:
		defer func() { <-s.trust.turn }()
	case <-ctx.Done():
		return false
	}
	accepted, ask := s.trust.elsewhere(c.region, s.identity.Region)
	if accepted || ask == "" {
		return accepted
	}
	other := &connection{session: s, region: ask}
	return other.tryCaller(ctx)
}

// tryCaller says whether AWS says who the credentials belong to.
func (c *connection) tryCaller(ctx context.Context) bool {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ready, err := c.ready(limited)
	if err != nil {
		return false
	}
	if _, err = ready.caller(limited, nil); err != nil {
		return false
	}
	c.session.trust.accept(c.region)
	return true
}

// usedKey is the key of a context for where the id of the access key is noted that
// a call uses.
type usedKey struct{}
