// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Config is all that a Matcher knows.
type Config struct {
	// AllowClassE allows 240.0.0.0/4 except the broadcast address.
	AllowClassE bool
	// Networks are denied to every namespace.
	Networks []Network
	// Exempt ranges lift Networks that are Discovered, and nothing else.
	Exempt []netip.Prefix
	// ClusterDomain is the DNS domain of the cluster's Services, if it has
	// another than cluster.local. All names below either are denied.
	ClusterDomain string
	// Policies have names of their own.
	Policies []Policy
	// Namespaces holds, by namespace, the names of the policies that select it.
	Namespaces map[string][]string
	// RequirePolicy closes namespaces that no policy with an allow part selects.
	RequirePolicy bool
}

// Network is a range that no namespace may target. A part of ::ffff:0:0/96 is
// the IPv4 range that it stands for, and host bits are ignored.
type Network struct {
	Prefix netip.Prefix
	// Why says in a few words what it is: "Pod network of Node a".
	Why string
	// Discovered networks are the cluster's own, and lifted where Config.Exempt
	// says so.
	Discovered bool
	// Staged networks, which are Discovered, deny as others do, but every denial that comes from
	// nothing else says that it is staged.
	Staged bool
	// Since is what such denials say of when that began.
	Since time.Time
}

// Matcher decides for every namespace. It is immutable and safe for concurrent
// use.
type Matcher struct {
	base          *base
	requirePolicy bool
	policies      map[string]*policy
	// shared are the scopes by the policies that they are of.
	shared     map[string]*Scope
	namespaces map[string]*Scope
	unselected *Scope
}

// base is what holds in every namespace, with what it was compiled from.
type base struct {
	ranges ranges
	names  []hardName

	allowClassE   bool
	networks      []Network
	exempt        []netip.Prefix
	clusterDomain string
}

// Compile returns a Matcher, or an error that names each part of the config
// that makes no sense. It keeps nothing of the config.
func Compile(config Config) (*Matcher, error) { return new(Matcher).Recompile(config) }

// Recompile is Compile after a change of the config: what has not changed is
// taken over, and so a namespace in which nothing has has the same Scope as
// before. m stays as it is.
func (m *Matcher) Recompile(config Config) (*Matcher, error) {
	next := &Matcher{requirePolicy: config.RequirePolicy, shared: make(map[string]*Scope)}
	var err error
	var problems []error
	if next.base, err = m.recompileBase(config); err != nil {
		problems = append(problems, err)
	}
	if next.policies, err = m.recompilePolicies(config.Policies); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if next.unselected, err = next.share(m, nil); err != nil {
		return nil, err
	}
	next.namespaces = make(map[string]*Scope, len(config.Namespaces))
	for namespace, selected := range config.Namespaces {
		if len(selected) == 0 {
			continue
		}
		if next.namespaces[namespace], err = next.share(m, selected); err != nil {
			return nil, fmt.Errorf("namespace %q: %w", namespace, err)
		}
	}
	return next, nil
}

func (m *Matcher) recompileBase(config Config) (*base, error) {
	if b := m.base; b != nil && b.allowClassE == config.AllowClassE && b.clusterDomain == config.ClusterDomain &&
		slices.Equal(b.networks, config.Networks) && slices.Equal(b.exempt, config.Exempt) {
		return b, nil
	}
	var problems []error
	for i, n := range config.Networks {
		if !n.Prefix.IsValid() {
			problems = append(problems, fmt.Errorf("network %d (%s): the prefix is invalid", i, n.Why))
		}
	}
	for i, p := range config.Exempt {
		if !p.IsValid() {
			problems = append(problems, fmt.Errorf("exempt range %d: the prefix is invalid", i))
		}
	}
	names, err := hardNamesFor(config.ClusterDomain)
	if err != nil {
		problems = append(problems, fmt.Errorf("cluster domain: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &base{
		ranges: newRanges(rulesFor(config)), names: names,
		allowClassE: config.AllowClassE, clusterDomain: config.ClusterDomain,
		networks: slices.Clone(config.Networks), exempt: slices.Clone(config.Exempt),
	}, nil
}

func (m *Matcher) recompilePolicies(list []Policy) (map[string]*policy, error) {
	var problems []error
	policies := make(map[string]*policy, len(list))
	for i := range list {
		p := &list[i]
		if _, taken := policies[p.Name]; taken {
			problems = append(problems, fmt.Errorf("two policies are called %q", p.Name))
		}
		compiled, err := compilePolicy(p)
		if err != nil {
			problems = append(problems, fmt.Errorf("policy %q: %w", p.Name, err))
		}
		if before := m.policies[p.Name]; before != nil && reflect.DeepEqual(before, compiled) {
			compiled = before
		}
		policies[p.Name] = compiled
	}
	return policies, errors.Join(problems...)
}

// share returns the scope of the policies with these names, which namespaces with
// the same policies share: that of before if it would be the same.
func (m *Matcher) share(before *Matcher, names []string) (*Scope, error) {
	if len(names) > 1 {
		names = slices.Compact(slices.Sorted(slices.Values(names)))
	}
	key := strings.Join(names, "/")
	if s := m.shared[key]; s != nil {
		return s, nil
	}
	policies := make([]*policy, 0, len(names))
	for _, name := range names {
		p := m.policies[name]
		if p == nil {
			return nil, fmt.Errorf("there is no policy %q", name)
		}
		policies = append(policies, p)
	}
	s := before.shared[key]
	if s == nil || s.base != m.base || before.requirePolicy != m.requirePolicy || !slices.Equal(s.policies, policies) {
		s = newScope(m.base, policies, m.requirePolicy)
	}
	m.shared[key] = s
	return s, nil
}

// Scope returns what holds for a namespace; never nil. A namespace without a
// policy has it too.
func (m *Matcher) Scope(namespace string) *Scope {
	if s, selected := m.namespaces[namespace]; selected {
		return s
	}
	return m.unselected
}
