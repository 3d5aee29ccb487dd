// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
)

// answered are names that are answered for, once and for all.
type answered map[dns.Question]*dns.Snapshot

func (n answered) Ensure(health.Subscriber, []dns.Question) {}
func (n answered) Lookup(_ health.Subscriber, question dns.Question) *dns.Snapshot {
	return n[question]
}
func (n answered) Forget(health.Subscriber) {}

// checked are targets that are all healthy but for those with these addresses.
type checked struct {
	targets []health.Target
	down    map[netip.Addr]bool
}

func (c *checked) Ensure(_ health.Subscriber, _ health.Thresholds, targets []health.Target) {
	c.targets = targets
}

func (c *checked) Statuses(_ health.Subscriber, dst []health.Status) []health.Status {
	for i := range c.targets {
		status := health.Status{Verdict: health.Healthy, Since: time.Unix(1, 0), Fresh: true}
		if c.down[c.targets[i].Addr] {
			status.Verdict = health.Unhealthy
		}
		dst = append(dst, status)
	}
	return dst
}

func (c *checked) Forget(health.Subscriber) {}

type permissive struct{ *guard.Matcher }

// crowd is an ExternalBackend with names that have addresses.
type crowd struct {
	names, addresses int
	// srv has each address be that of an SRV record with a port of its own.
	srv bool
	// tiers is in how many the names are.
	tiers int
}

// add adds a name and what is answered for it, with addresses from next on.
func (c crowd) add(eb *v1alpha1.ExternalBackend, answers answered, next netip.Addr) netip.Addr {
	n := len(eb.Spec.Targets)
	t := v1alpha1.Target{Name: fmt.Sprint("n", n), Tier: int32(n % max(1, c.tiers)), FQDN: &v1alpha1.FQDNTarget{Hostname: fmt.Sprintf("n%d.corp.example", n)}}
	top := &dns.Snapshot{Outcome: dns.Answered, Definitive: time.Unix(1000, 0)}
	kind := dns.A
	if c.srv {
		kind, t.FQDN.Resolution = dns.SRV, v1alpha1.ResolutionSRV
	}
	for i := range c.addresses {
		if c.srv {
			host := fmt.Sprintf("h%d.%s", i, t.FQDN.Hostname)
			top.Services = append(top.Services, dns.Service{Host: host, Port: uint16(10000 + n*c.addresses + i)})
			answers[dns.Question{Name: host, Type: dns.A}] = &dns.Snapshot{Outcome: dns.Answered, Definitive: top.Definitive, Addrs: []netip.Addr{next}}
		} else {
			top.Addrs = append(top.Addrs, next)
		}
		next = next.Next()
	}
	answers[dns.Question{Name: t.FQDN.Hostname, Type: kind}] = top
	eb.Spec.Targets = append(eb.Spec.Targets, t)
	return next
}

func (g permissive) Scope(namespace string) *guard.Scope { return g.Matcher.Scope(namespace) }

// published returns a crowd with everything about it published.
func (c crowd) published(tb testing.TB) (*ServiceReconciler, *world, *checked) {
	tb.Helper()
	matcher, err := guard.Compile(guard.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	answers, hosts := answered{}, &checked{down: map[netip.Addr]bool{}}
	r := &ServiceReconciler{
		Names: answers, Health: hosts, Guard: permissive{matcher}, Credentials: &Credentials{}, Clock: clock.RealClock{}, MaxEndpoints: 100,
	}
	eb := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments", UID: "uid", Generation: 1}}
	eb.Spec.HealthCheck = v1alpha1.HealthCheck{Interval: "10s", Timeout: new(v1alpha1.Duration("3s")), HealthyThreshold: 2, UnhealthyThreshold: 3}
	next := netip.MustParseAddr("20.0.0.1")
	for range c.names {
		next = c.add(eb, answers, next)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments", UID: "service", ResourceVersion: "1"}}
	service.Spec.ClusterIP, service.Spec.IPFamilies = "10.96.0.1", []corev1.IPFamily{corev1.IPv4Protocol}
	service.Spec.Ports = []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80}}
	w := &world{
		key:   types.NamespacedName{Namespace: "shop", Name: "payments"},
		scope: r.Guard.Scope("shop"), service: service, backends: []*v1alpha1.ExternalBackend{eb},
	}
	r.known.serve(w.key, r.known.claim([]health.Subscriber{subscriberOf(eb)}))
	plan := sliceplan.Compute(r.planInput(w, r.resolve(w)))
	for i, slice := range plan.Create {
		slice.UID, slice.ResourceVersion = types.UID(fmt.Sprint(i)), "1"
	}
	w.slices = plan.Create
	sortByName(w.slices)
	if got := len(hosts.targets); got != c.names*c.addresses {
		tb.Fatalf("%d addresses", got)
	}
	return r, w, hosts
}

// settle makes a pass that finds nothing to write.
func settle(tb testing.TB, r *ServiceReconciler, w *world) {
	tb.Helper()
	passes := r.resolve(w)
	plan := sliceplan.Compute(r.planInput(w, passes))
	if !plan.Empty() {
		tb.Fatalf("%d slices to be written", len(plan.Create)+len(plan.Update)+len(plan.Delete))
	}
	r.remember(w, passes, &plan, applied{})
}

// TestTiersAreRecalled: a flip that has other tiers serve needs no look at
// everything else, and is published as after such a look. In the end the second
// tier serves on, by the delay of a return.
func TestTiersAreRecalled(t *testing.T) {
	r, w, hosts := crowd{names: 2, addresses: 3, tiers: 2}.published(t)
	settle(t, r, w)
	for _, step := range []struct {
		down  []string
		flips int
	}{{nil, 0}, {[]string{"20.0.0.1"}, 1}, {[]string{"20.0.0.1", "20.0.0.2", "20.0.0.3"}, 6}, {[]string{"20.0.0.4"}, 5}} {
		clear(hosts.down)
		for _, address := range step.down {
			hosts.down[netip.MustParseAddr(address)] = true
		}
		passes := r.recall(w)
		if passes == nil {
			t.Fatalf("%v down: everything is found out anew", step.down)
		}
		plan := sliceplan.Compute(r.planInput(w, passes))
		if len(plan.Flips) != step.flips {
			t.Errorf("%v down: flips %v, want %d", step.down, plan.Flips, step.flips)
		}
		again := sliceplan.Compute(r.planInput(w, r.resolve(w)))
		if !slices.EqualFunc(plan.Update, again.Update, sameEndpoints) {
			t.Errorf("%v down: otherwise published than after a look at everything", step.down)
		}
	}
}

func sameEndpoints(a, b *discoveryv1.EndpointSlice) bool {
	return a.Name == b.Name && fmt.Sprint(endpointTexts(a)) == fmt.Sprint(endpointTexts(b))
}

func endpointTexts(slice *discoveryv1.EndpointSlice) (list []string) {
	for _, e := range slice.Endpoints {
		list = append(list, fmt.Sprint(e.Addresses, conditionsOf(e.Conditions)))
	}
	return list
}

// BenchmarkPass makes passes over a Service of which nothing has changed.
func BenchmarkPass(b *testing.B) {
	for name, c := range map[string]crowd{
		"5000 addresses":              {names: 100, addresses: 50},
		"5000 addresses in two tiers": {names: 100, addresses: 50, tiers: 2},
		"128 ports":                   {names: 4, addresses: 32, srv: true},
		"512 ports":                   {names: 16, addresses: 32, srv: true},
	} {
		r, w, _ := c.published(b)
		var passes []*pass
		b.Run(name+"/find out", func(b *testing.B) {
			for b.Loop() {
				passes = r.resolve(w)
			}
		})
		b.Run(name+"/plan", func(b *testing.B) {
			for b.Loop() {
				if plan := sliceplan.Compute(r.planInput(w, passes)); !plan.Empty() {
					b.Fatal("there is something to be written")
				}
			}
		})
	}
}

// BenchmarkFlip finds out about and plans the flip of one address.
func BenchmarkFlip(b *testing.B) {
	for name, c := range map[string]crowd{
		"500 addresses":               {names: 10, addresses: 50},
		"5000 addresses":              {names: 100, addresses: 50},
		"5000 addresses in two tiers": {names: 100, addresses: 50, tiers: 2},
	} {
		b.Run(name, func(b *testing.B) {
			r, w, hosts := c.published(b)
			settle(b, r, w)
			hosts.down[netip.MustParseAddr("20.0.0.1")] = true
			for b.Loop() {
				passes := r.recall(w)
				if passes == nil {
					passes = r.resolve(w)
				}
				if plan := sliceplan.Compute(r.planInput(w, passes)); len(plan.Flips) != 1 {
					b.Fatalf("%d flips", len(plan.Flips))
				}
			}
		})
	}
}
