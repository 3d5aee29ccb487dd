// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// CheckUse is a way of checking targets.
type CheckUse struct {
	// Addr is the target; zero: any. A grant holds for the addresses of its own
	// policy only, so whoever knows the target should say so.
	Addr netip.Addr
	// Port that the check connects to; 0: any.
	Port uint16
	// Kind of the check; "": any.
	Kind string
	// CustomHost: naming a host, be it the target's own.
	CustomHost bool
	// Secret: with credentials from a Secret.
	Secret bool
	// Body: with a verdict that depends on the response's body.
	Body bool
	// InsecureSkipVerify: with TLS, but without verification.
	InsecureSkipVerify bool
}

// Check returns a *DeniedError if a target must not be checked in this way. It
// denies whatever Target denies of the address and port.
func (s *Scope) Check(use CheckUse) error {
	var ports []uint16
	if use.Port != 0 {
		ports = []uint16{use.Port}
	}
	var staged error
	if use.Addr.IsValid() {
		err := s.Target(use.Addr, ports)
		if denied, ok := errors.AsType[*DeniedError](err); ok && denied.Staged {
			staged = err
		} else if err != nil {
			return err
		}
	} else if err := s.denied(use.Addr, nil, ports); err != nil {
		return err
	}
	spelled := use.spelled()
	if s.open && !use.Body || s.anyGrant(func(g *grant) bool { return g.allows(&use, spelled.all()) }) {
		return staged
	}
	if s.open { // all the rest of it is allowed
		use = CheckUse{Addr: use.Addr, Port: use.Port, Kind: use.Kind, Body: use.Body}
	}
	return s.ungranted(DeniedError{Addr: use.Addr, Port: use.Port, Use: use.String()})
}

// String returns what it takes to allow it, with the names of the fields below
// spec.allow.checks of a policy.
func (u CheckUse) String() string {
	var parts []string
	for _, part := range []struct {
		used bool
		name string
	}{
		{u.CustomHost, "customHost"},
		{u.Secret, "secrets"},
		{u.Body, "bodyMatching"},
		{u.InsecureSkipVerify, "insecureSkipVerify"},
	} {
		if part.used {
			parts = append(parts, part.name)
		}
	}
	text := "a check"
	if u.Kind != "" {
		text += " of kind " + u.Kind
	}
	if len(parts) > 0 {
		text += " with " + strings.Join(parts, ", ")
	}
	return text
}

// MinInterval is the shortest time between checks of a target; 0: the policies
// set none. It is the least of those of the policies that grant the use, so
// CheckUse{} asks for the least of all. A shorter interval is to be lengthened,
// not to be refused.
func (s *Scope) MinInterval(use CheckUse) time.Duration {
	spelled, least, found := use.spelled(), time.Duration(0), false
	for _, g := range s.grants {
		if g.allows(&use, spelled.all()) && (!found || g.checks.MinInterval < least) {
			least, found = g.checks.MinInterval, true
		}
	}
	return least
}

// StatusCodes says whether status codes may be shown, and not only their class,
// by one of the policies that grant the use. Without such a policy they may not.
func (s *Scope) StatusCodes(use CheckUse) bool {
	spelled := use.spelled()
	return s.anyGrant(func(g *grant) bool { return g.checks.StatusCodes && g.allows(&use, spelled.all()) })
}

// allows says whether a grant allows all of a use, of which spelled is the
// address.
func (g *grant) allows(use *CheckUse, spelled []netip.Addr) bool {
	c := &g.checks
	return g.cidrs.contain(spelled) &&
		(use.Port == 0 || g.allowsPort(use.Port)) &&
		(use.Kind == "" || len(c.Kinds) == 0 || slices.Contains(c.Kinds, use.Kind)) &&
		(c.CustomHost || !use.CustomHost) &&
		(c.Secrets || !use.Secret) &&
		(c.BodyMatching || !use.Body) &&
		(c.InsecureSkipVerify || !use.InsecureSkipVerify)
}

// spelled is empty without an address.
func (u *CheckUse) spelled() (s spellings) {
	if u.Addr.IsValid() {
		s = spell(u.Addr)
	}
	return s
}

// Region returns a *DeniedError if no instance of a region must be targeted with an
// AWSIdentity, whatever its tags.
func (s *Scope) Region(identity, region string) error {
	if s.open || s.anyGrant(func(g *grant) bool { return g.ec2.grants(identity, region) }) {
		return nil
	}
	return s.ungranted(DeniedError{Use: fmt.Sprintf("AWSIdentity %q in region %q", identity, region)})
}

// Instance returns a *DeniedError if an instance must not be targeted in a
// namespace. Its addresses are vetted like all others besides.
func (s *Scope) Instance(namespace, identity, region string, tags map[string]string) error {
	err := s.Region(identity, region)
	tagged := func(g *grant) bool { return g.ec2.grants(identity, region) && g.ec2.tagged(namespace, tags) }
	if err != nil || s.open || s.anyGrant(tagged) {
		return err
	}
	return s.ungranted(DeniedError{Use: "an instance without the tags that spec.allow.ec2.requiredTags asks for"})
}

func (e *EC2) grants(identity, region string) bool {
	return e != nil && slices.Contains(e.Identities, identity) && (len(e.Regions) == 0 || slices.Contains(e.Regions, region))
}

func (e *EC2) tagged(namespace string, tags map[string]string) bool {
	for key, value := range e.RequiredTags {
		if found, ok := tags[key]; !ok || found != strings.ReplaceAll(value, "$(namespace)", namespace) {
			return false
		}
	}
	return true
}
