// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/guard"
)

// richPolicies draws policies that say something about everything.
func richPolicies(t *rapid.T, name string, allows, denying bool) guard.Policy {
	subset := func(of ...string) *rapid.Generator[[]string] {
		return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(of), 0, 2), func(s []string) []string { return slices.Compact(s) })
	}
	names := subset("a.example", "*.example", "*", "b.corp.example", "*.corp.example")
	p := guard.Policy{Name: name}
	if denying {
		p.Deny = denyParts().Draw(t, "deny")
		p.Deny.Hostnames = names.Draw(t, "denied names")
	}
	if allows {
		p.Allow = allowParts().Draw(t, "allow")
		p.Allow.Hostnames = names.Draw(t, "names")
		p.Allow.MaxAddresses = rapid.IntRange(0, 3).Draw(t, "most")
		p.Allow.Checks = guard.Checks{
			Kinds:       subset("TCP", "HTTP").Draw(t, "kinds"),
			MinInterval: time.Duration(rapid.IntRange(0, 3).Draw(t, "interval")) * time.Second,
			CustomHost:  rapid.Bool().Draw(t, "host"), Secrets: rapid.Bool().Draw(t, "secrets"), BodyMatching: rapid.Bool().Draw(t, "body"),
			InsecureSkipVerify: rapid.Bool().Draw(t, "insecure"), StatusCodes: rapid.Bool().Draw(t, "codes"),
		}
		if rapid.Bool().Draw(t, "ec2") {
			p.Allow.EC2 = &guard.EC2{
				Identities: subset("i", "j").Draw(t, "identities"), Regions: subset("r", "s").Draw(t, "regions"),
				RequiredTags: rapid.MapOfN(rapid.SampledFrom([]string{"k", "l"}), rapid.SampledFrom([]string{"v", "$(namespace)"}), 0, 2).Draw(t, "tags"),
			}
		}
	}
	return p
}

// question is one of each kind that a scope answers.
type question struct {
	to       netip.AddrPort
	ports    []uint16
	host     string
	use      guard.CheckUse
	identity string
	region   string
	tags     map[string]string
}

func questions(t *rapid.T, w world) question {
	q := question{
		to:       netip.AddrPortFrom(w.places().Draw(t, "addr"), rapid.Uint16Range(0, 9).Draw(t, "port")),
		ports:    rapid.SliceOfN(rapid.Uint16Range(1, 9), 0, 2).Draw(t, "ports"),
		host:     rapid.SampledFrom([]string{"a.example", "b.corp.example", "x.y.example", "c.test", "a.svc"}).Draw(t, "host"),
		identity: rapid.SampledFrom([]string{"i", "j", "x"}).Draw(t, "identity"),
		region:   rapid.SampledFrom([]string{"r", "s", "x"}).Draw(t, "region"),
		tags:     rapid.MapOfN(rapid.SampledFrom([]string{"k", "l"}), rapid.SampledFrom([]string{"v", "n", "x"}), 0, 2).Draw(t, "tags"),
		use: guard.CheckUse{
			Port: rapid.Uint16Range(0, 9).Draw(t, "check port"), Kind: rapid.SampledFrom([]string{"", "TCP", "HTTP", "GRPC"}).Draw(t, "kind"),
			CustomHost: rapid.Bool().Draw(t, "host"), Secret: rapid.Bool().Draw(t, "secret"), Body: rapid.Bool().Draw(t, "body"),
			InsecureSkipVerify: rapid.Bool().Draw(t, "insecure"),
		},
	}
	if rapid.Bool().Draw(t, "with its address") {
		q.use.Addr = q.to.Addr()
	}
	return q
}

// answers to the yes-or-no questions.
func (q question) answers(s *guard.Scope) map[string]bool {
	return map[string]bool{
		"Addr":        s.Addr(q.to.Addr()) == nil,
		"Target":      s.Target(q.to.Addr(), q.ports) == nil,
		"Dial":        s.Dial(q.to) == nil,
		"Hostname":    s.Hostname(q.host) == nil,
		"Check":       s.Check(q.use) == nil,
		"Instance":    s.Instance("n", q.identity, q.region, q.tags) == nil,
		"StatusCodes": s.StatusCodes(q.use),
	}
}

// limit is the number of addresses with no limit as the greatest.
func limit(s *guard.Scope) int { return (s.MaxAddresses() - 1) & 0xffff }

// richWorld draws a namespace with up to three policies.
func richWorld(t *rapid.T) world {
	w := world{namespace: "n", config: guard.Config{
		RequirePolicy: rapid.Bool().Draw(t, "require"),
		Networks:      networks(2).Draw(t, "networks"),
		Namespaces:    map[string][]string{},
	}}
	for _, name := range []string{"p", "q", "r"}[:rapid.IntRange(0, 3).Draw(t, "policies")] {
		w.add(richPolicies(t, name, rapid.Bool().Draw(t, "allows"), rapid.Bool().Draw(t, "denies")))
	}
	return w
}

func (w *world) add(p guard.Policy) {
	w.config.Policies = append(slices.Clip(w.config.Policies), p)
	w.config.Namespaces = map[string][]string{"n": append(slices.Clip(w.config.Namespaces["n"]), p.Name)}
}

func (w *world) hasGrant() bool {
	return slices.ContainsFunc(w.config.Policies, func(p guard.Policy) bool { return p.Allow != nil })
}

func TestDenyNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := richWorld(t)
		more := w
		more.add(richPolicies(t, "added", false, true))
		before, after := compile(t, w.config).Scope("n"), compile(t, more.config).Scope("n")
		for range 3 {
			q := questions(t, more)
			was := q.answers(before)
			for what, allowed := range q.answers(after) {
				if allowed && !was[what] {
					t.Fatalf("%s is allowed only since more is denied: %+v", what, q)
				}
			}
			if before.MinInterval(q.use) != after.MinInterval(q.use) || limit(before) != limit(after) {
				t.Fatal("a deny changed a limit")
			}
		}
	})
}

func TestGrantNeverAllowsLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := richWorld(t)
		grants := w.hasGrant()
		if !grants && !w.config.RequirePolicy {
			w.add(richPolicies(t, "first", true, true)) // it ends that the namespace is open
			grants = true
		}
		more := w
		more.add(richPolicies(t, "added", true, false))
		before, after := compile(t, w.config).Scope("n"), compile(t, more.config).Scope("n")
		for range 3 {
			q := questions(t, more)
			answers := q.answers(after)
			for what, allowed := range q.answers(before) {
				if allowed && !answers[what] {
					t.Fatalf("%s is denied only since more is granted: %+v", what, q)
				}
			}
			if grants && before.Check(q.use) == nil && after.MinInterval(q.use) > before.MinInterval(q.use) {
				t.Fatal("a grant made the interval longer")
			}
			if grants && limit(after) < limit(before) {
				t.Fatal("a grant lowered a limit")
			}
		}
	})
}

// TestRequireNeverAllowsMore: a namespace may not do more where a policy is
// required, and the same where it has a grant.
func TestRequireNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := richWorld(t)
		w.config.RequirePolicy = false
		required := w
		required.config.RequirePolicy = true
		baseline, require := compile(t, w.config).Scope("n"), compile(t, required.config).Scope("n")
		grants, q := w.hasGrant(), questions(t, w)
		was := q.answers(baseline)
		for what, allowed := range q.answers(require) {
			if allowed && !was[what] || grants && allowed != was[what] || !grants && allowed {
				t.Fatalf("%s: allowed %t where a policy is required, %t where none is (%+v)", what, allowed, was[what], q)
			}
		}
	})
}

// TestOrderOfPoliciesIsIrrelevant shuffles policies and networks.
func TestOrderOfPoliciesIsIrrelevant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := richWorld(t)
		shuffled := w
		shuffled.config.Policies = rapid.Permutation(w.config.Policies).Draw(t, "policies")
		shuffled.config.Networks = rapid.Permutation(w.config.Networks).Draw(t, "networks")
		shuffled.config.Namespaces = map[string][]string{"n": rapid.Permutation(w.config.Namespaces["n"]).Draw(t, "names")}
		one, other := compile(t, w.config).Scope("n"), compile(t, shuffled.config).Scope("n")
		q := questions(t, w)
		for _, ask := range []func(*guard.Scope) error{
			func(s *guard.Scope) error { return s.Target(q.to.Addr(), q.ports) },
			func(s *guard.Scope) error { return s.Hostname(q.host) },
			func(s *guard.Scope) error { return s.Check(q.use) },
			func(s *guard.Scope) error { return s.Instance("n", q.identity, q.region, q.tags) },
		} {
			a, b := ask(one), ask(other)
			if (a == nil) != (b == nil) || a != nil && a.Error() != b.Error() {
				t.Fatalf("%v became %v", a, b)
			}
		}
	})
}
