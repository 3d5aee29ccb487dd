// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"fmt"
	"maps"
	"strings"

	"externalbackend.dev/operator/test/aws/sigv4"
)

// Account is an AWS account.
type Account struct {
	server  *Server
	id      string
	regions map[string]*Region
	roles   map[string]*Role // by ARN
}

// Role is an IAM role.
type Role struct {
	Name string
	// ExternalID that whoever assumes it must say; empty: none is asked for.
	ExternalID string
	// SessionTags that whoever assumes it must set, with these values.
	SessionTags map[string]string
	// WebIdentity is the token with which a pod may assume it (IRSA), and PodIdentity
	// the one for the endpoint of EKS Pod Identity; empty: it may not.
	WebIdentity, PodIdentity string
	// Trusts are the ARNs of users and roles that may assume it. Empty: every
	// principal that AWS knows.
	Trusts []string

	account *Account
}

// ID is the id of the account.
func (a *Account) ID() string { return a.id }

// User makes a user with a key that lasts.
func (a *Account) User(name string) sigv4.Key {
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sigv4.Key{ID: fmt.Sprintf("AKIA%016d", s.next()), Secret: fmt.Sprintf("secret/of+%s/%d", name, s.next())}
	s.keys[key.ID] = &principal{
		key: key, account: a, arn: "arn:aws:iam::" + a.id + ":user/" + name,
		unique: fmt.Sprintf("AIDA%017d", s.next()),
	}
	return key
}

// DropKey makes a key invalid.
func (a *Account) DropKey(id string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	delete(a.server.keys, id)
}

// Role makes a role, or replaces the one of this name, and returns its ARN.
func (a *Account) Role(role Role) string {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	role.account = a
	role.SessionTags = maps.Clone(role.SessionTags)
	arn := role.arn()
	a.roles[arn] = &role
	return arn
}

// DropRole deletes a role by its ARN. Keys that were handed out for it stay.
func (a *Account) DropRole(arn string) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	delete(a.roles, arn)
}

// Region returns a region of the account, which has instances of its own.
func (a *Account) Region(name string) *Region {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.region(name)
}

func (a *Account) region(name string) *Region {
	r := a.regions[name]
	if r == nil {
		r = &Region{
			account: a, name: name, instances: map[string]*Instance{}, queues: map[string]*Queue{},
		}
		a.regions[name] = r
	}
	return r
}

func (r *Role) arn() string { return "arn:aws:iam::" + r.account.id + ":role/" + r.Name }

// session hands out keys for the role.
func (r *Role) session(name string, tags map[string]string) *principal {
	s := r.account.server
	key := sigv4.Key{
		ID:     fmt.Sprintf("ASIA%016d", s.next()),
		Secret: fmt.Sprintf("secret/of+session/%d", s.next()),
		Token:  fmt.Sprintf("token//%d==", s.next()),
	}
	last := r.Name[strings.LastIndex(r.Name, "/")+1:]
	p := &principal{
		key: key, account: r.account, tags: tags,
		arn:    "arn:aws:sts::" + r.account.id + ":assumed-role/" + last + "/" + name,
		unique: fmt.Sprintf("AROA%017d:%s", s.next(), name),
	}
	s.keys[key.ID] = p
	return p
}
