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
	"time"
)

// Policy grants and denies to the namespaces that it selects.
type Policy struct {
	Name string
	// Allow, if set, is one grant; see the package.
	Allow *Allow
	Deny  Deny
}

// Allow is a grant. What it lists to be reached (CIDRs, Hostnames, EC2) is
// reached only if listed. What narrows that down (Ports, Checks.Kinds) narrows
// nothing while it is empty.
type Allow struct {
	// CIDRs also have to grant the addresses that hostnames and instances turn
	// out to have.
	CIDRs []netip.Prefix
	// Hostnames are names, "*.example.com" for all names below example.com at
	// any depth but not for itself, or "*" for all.
	Hostnames []string
	Ports     []PortRange
	Checks    Checks
	EC2       *EC2
	// MaxAddresses of an ExternalBackend; 0: no limit of this policy.
	MaxAddresses int
}

// Deny denies each address, name and port that it lists by itself, whatever any
// policy allows: a denied port is denied on every address.
type Deny struct {
	CIDRs     []netip.Prefix
	Hostnames []string
	Ports     []PortRange
}

// PortRange is a range of ports from 1 to 65535, both ends included.
type PortRange struct{ First, Last uint16 }

// Checks are the ways of checking that an Allow grants.
type Checks struct {
	// Kinds of checks; empty: all.
	Kinds []string
	// MinInterval is the shortest time between checks of a target; 0: none of
	// this policy.
	MinInterval time.Duration
	// CustomHost grants naming a host: by Host, the TLS server name, or a header
	// that proxies take for either.
	CustomHost bool
	// Secrets grants credentials from a Secret.
	Secrets bool
	// BodyMatching grants verdicts that depend on the response's body.
	BodyMatching bool
	// InsecureSkipVerify grants TLS without verification.
	InsecureSkipVerify bool
	// StatusCodes grants showing status codes rather than their class.
	StatusCodes bool
}

// EC2 grants instances.
type EC2 struct {
	// Identities are names of AWSIdentities; empty: none is granted.
	Identities []string
	// Regions; empty: all.
	Regions []string
	// RequiredTags must all be on the instance with these values, in which
	// "$(namespace)" stands for the namespace.
	RequiredTags map[string]string
}

// policy is a compiled Policy.
type policy struct {
	name          string
	allow         *grant
	deny          ranges
	denyHostnames []string
	denyPorts     []PortRange
}

// grant is a compiled Allow.
type grant struct {
	policy       string
	cidrs        ranges
	hostnames    []string
	ports        []PortRange
	checks       Checks
	ec2          *EC2
	maxAddresses int
}

// DenyEverything returns a policy that denies every address, name and port.
func DenyEverything(name string) Policy {
	return Policy{Name: name, Deny: Deny{
		CIDRs:     []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
		Hostnames: []string{"*"}, Ports: []PortRange{{First: 1, Last: 65535}},
	}}
}

// Validate returns why a policy makes no sense. Compile refuses a Config with
// such a policy.
func (p *Policy) Validate() error {
	_, err := compilePolicy(p)
	return err
}

func compilePolicy(p *Policy) (*policy, error) {
	var problems []error
	note := func(part string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", part, err))
		}
	}
	compiled := &policy{name: p.Name, denyPorts: slices.Clone(p.Deny.Ports)}
	var err error
	compiled.deny, err = compileCIDRs(p.Deny.CIDRs)
	note("deny.cidrs", err)
	compiled.denyHostnames, err = compilePatterns(p.Deny.Hostnames)
	note("deny.hostnames", err)
	note("deny.ports", validPorts(p.Deny.Ports))
	if a := p.Allow; a != nil {
		g := &grant{policy: p.Name, ports: slices.Clone(a.Ports), checks: a.Checks, maxAddresses: a.MaxAddresses}
		g.checks.Kinds = slices.Clone(a.Checks.Kinds)
		g.cidrs, err = compileCIDRs(a.CIDRs)
		note("allow.cidrs", err)
		g.hostnames, err = compilePatterns(a.Hostnames)
		note("allow.hostnames", err)
		note("allow.ports", validPorts(a.Ports))
		if a.Checks.MinInterval < 0 || a.MaxAddresses < 0 {
			note("allow", errors.New("minInterval and maxAddresses must not be negative"))
		}
		if a.EC2 != nil {
			g.ec2 = &EC2{
				Identities:   slices.Clone(a.EC2.Identities),
				Regions:      slices.Clone(a.EC2.Regions),
				RequiredTags: maps.Clone(a.EC2.RequiredTags),
			}
		}
		compiled.allow = g
	}
	return compiled, errors.Join(problems...)
}

func compileCIDRs(cidrs []netip.Prefix) (ranges, error) {
	rules := make([]rule, len(cidrs))
	for i, p := range cidrs {
		if !p.IsValid() {
			return nil, fmt.Errorf("the prefix at index %d is invalid", i)
		}
		rules[i] = rule{prefix: canonical(p), layer: LayerPolicy}
	}
	return newRanges(rules), nil
}

func compilePatterns(patterns []string) ([]string, error) {
	compiled := make([]string, len(patterns))
	for i, pattern := range patterns {
		below, wildcard := strings.CutPrefix(pattern, "*.")
		if pattern == "*" {
			compiled[i] = pattern
			continue
		}
		name, why := canonicalName(below)
		if why != "" {
			return nil, fmt.Errorf("%q: %s", pattern, why)
		}
		if wildcard {
			name = "*." + name
		}
		compiled[i] = name
	}
	return compiled, nil
}

func validPorts(ports []PortRange) error {
	for _, p := range ports {
		if p.First == 0 || p.First > p.Last {
			return fmt.Errorf("%d-%d is not a range of ports", p.First, p.Last)
		}
	}
	return nil
}

func inPorts(ports []PortRange, port uint16) bool {
	for _, p := range ports {
		if p.First <= port && port <= p.Last {
			return true
		}
	}
	return false
}
