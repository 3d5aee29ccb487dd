// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
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
}

// Matcher decides for every namespace. It is immutable and safe for concurrent
// use.
type Matcher struct {
	ranges     ranges
	names      []hardName
	namespaces map[string]*Scope
	unselected *Scope
}

// Compile returns a Matcher, or an error that names each part of the config
// that makes no sense. It keeps nothing of the config.
func Compile(config Config) (*Matcher, error) {
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
	policies := make(map[string]*policy, len(config.Policies))
	for i := range config.Policies {
		p := &config.Policies[i]
		if _, taken := policies[p.Name]; taken {
			problems = append(problems, fmt.Errorf("two policies are called %q", p.Name))
		}
		compiled, err := compilePolicy(p)
		if err != nil {
			problems = append(problems, fmt.Errorf("policy %q: %w", p.Name, err))
		}
		policies[p.Name] = compiled
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}

	m := &Matcher{ranges: newRanges(rulesFor(config)), names: names}
	m.unselected = newScope(m, nil, config.RequirePolicy)
	m.namespaces, err = m.scopes(config, policies)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// scopes returns the scopes of the namespaces that a policy selects. Namespaces
// with the same policies share one.
func (m *Matcher) scopes(config Config, policies map[string]*policy) (map[string]*Scope, error) {
	scopes := make(map[string]*Scope, len(config.Namespaces))
	shared := make(map[string]*Scope)
	for _, namespace := range slices.Sorted(maps.Keys(config.Namespaces)) {
		selected := slices.Clone(config.Namespaces[namespace])
		slices.Sort(selected)
		selected = slices.Compact(selected)
		if len(selected) == 0 {
			continue
		}
		key := strings.Join(selected, "/")
		if shared[key] == nil {
			found := make([]*policy, len(selected))
			for i, name := range selected {
				found[i] = policies[name]
				if found[i] == nil {
					return nil, fmt.Errorf("namespace %q: there is no policy %q", namespace, name)
				}
			}
			shared[key] = newScope(m, found, config.RequirePolicy)
		}
		scopes[namespace] = shared[key]
	}
	return scopes, nil
}

// Scope returns what holds for a namespace; never nil. A namespace without a
// policy has it too.
func (m *Matcher) Scope(namespace string) *Scope {
	if s, selected := m.namespaces[namespace]; selected {
		return s
	}
	return m.unselected
}
