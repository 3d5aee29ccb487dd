// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/internal/sliceplan"
)

// named is a backend like backend, of another name.
func named(name string, items ...string) sliceplan.Backend {
	b := backend(items...)
	b.Owner = owner(name, types.UID(name+name+name+name+"-0000"))
	return b
}

func TestBackendsKeepSlicesOfTheirOwn(t *testing.T) {
	c := newCluster()
	older, younger := named("aa", "10.0.0.1", "10.0.0.2"), named("bb", "10.0.0.3")
	younger.PortSets = portSets(port("http", 9999))
	c.settle(t, input(older, younger))
	younger.Endpoints[0].Conditions = sliceplan.Conditions{}
	plan := c.settle(t, input(older, younger))
	if diff := gocmp.Diff([]string{"update bb-bbbbbbbb-ipv4-0: 10.0.0.3!"}, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if got := *c.stored["bb-bbbbbbbb-ipv4-0"].Ports[0].Port; got != 9999 {
		t.Errorf("port %d of the younger one's slice", got)
	}
}

// TestHold: what cannot be said is not written, however far the slices are
// from what else is known.
func TestHold(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 5)...))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelServiceName] = "other" })
	c.edit(v4Slice+"1", func(s *discoveryv1.EndpointSlice) { s.Ports = nil })
	in.Backends[0].Hold, in.Backends[0].Endpoints, in.Service.Families = true, nil, nil
	in.Backends = append(in.Backends, named("bb", "10.0.0.9"))
	in.Service.Families = []discoveryv1.AddressType{ipv4}
	plan := c.settle(t, in)
	if diff := gocmp.Diff([]string{"create bb-bbbbbbbb-ipv4-0: 10.0.0.9"}, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestHoldFollowsHealth: on hold, conditions are all that changes, also where
// everything else is not as it should be.
func TestHoldFollowsHealth(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 3)...))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { s.Ports = nil })
	before := c.stored[v4Slice+"0"].DeepCopy()
	in.Backends[0].Hold = true
	in.Backends[0].Endpoints = append(in.Backends[0].Endpoints[1:], named("aa", "10.0.0.99").Endpoints...)
	in.Backends[0].Endpoints[0].Conditions = sliceplan.Conditions{}
	flipped := in.Backends[0].Endpoints[0].Address
	in.Existing = c.list()
	plan := sliceplan.Compute(in)
	if len(plan.Update) != 1 || len(plan.Create)+len(plan.Delete)+len(plan.Misplaced) != 0 {
		t.Fatalf("plan is %v", describe(plan))
	}
	for i, e := range plan.Update[0].Endpoints {
		if want := e.Addresses[0] != flipped; *e.Conditions.Ready != want {
			t.Errorf("%s is ready=%t", e.Addresses[0], !want)
		}
		plan.Update[0].Endpoints[i].Conditions = before.Endpoints[i].Conditions
	}
	if diff := gocmp.Diff(before, plan.Update[0]); diff != "" {
		t.Errorf("more than conditions changed (-before +after):\n%s", diff)
	}
	if len(plan.Flips) != 1 || plan.Flips[0].Address != flipped || plan.Flips[0].Ready {
		t.Errorf("flips are %v", plan.Flips)
	}
}

// TestHoldFollowsHealthWhereItIsRead: a slice that was left behind on another
// Service does not stand for one that consumers read.
func TestHoldFollowsHealthWhereItIsRead(t *testing.T) {
	c, in := newCluster(), input(backend("10.0.0.1"))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) {
		s.Labels[discoveryv1.LabelServiceName] = "other"
		s.Annotations[sliceplan.ServiceUIDAnnotation] = "svc-0"
	})
	c.settle(t, in)
	in.Backends[0].Hold, in.Backends[0].Endpoints = true, endpoints("10.0.0.1!")
	plan := c.settle(t, in)
	if diff := gocmp.Diff([]string{"update " + v4Slice + "1: 10.0.0.1!"}, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestHoldLetsGo: what is gone goes also while nothing else can be said, after
// those who take it over have it.
func TestHoldLetsGo(t *testing.T) {
	c := newCluster()
	held, heir := named("aa", sequence(0, 5)...), named("bb", "10.0.0.9")
	c.settle(t, input(held, heir))
	c.edit("aa-aaaaaaaa-ipv4-0", func(s *discoveryv1.EndpointSlice) { s.Ports = nil })
	held.Hold, held.Endpoints = true, nil
	held.Gone = map[string]bool{"10.0.0.2": true, "10.0.0.4": true, "10.0.0.5": true, "10.0.0.9": true}
	heir.Endpoints = endpoints("10.0.0.4", "10.0.0.9")
	plan := c.settle(t, input(held, heir))
	want := []string{
		"update bb-bbbbbbbb-ipv4-0: 10.0.0.9 10.0.0.4",
		"update aa-aaaaaaaa-ipv4-0: 10.0.0.1 10.0.0.3",
		"delete aa-aaaaaaaa-ipv4-1",
	}
	if diff := gocmp.Diff(want, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if len(plan.Flips) > 0 || c.stored["aa-aaaaaaaa-ipv4-0"].Ports != nil {
		t.Errorf("flips %v, ports %v", plan.Flips, c.stored["aa-aaaaaaaa-ipv4-0"].Ports)
	}
}

// TestHoldLetsGoOfWhatIsWanted: what is wanted, but must not be where it is, goes.
func TestHoldLetsGoOfWhatIsWanted(t *testing.T) {
	c := newCluster()
	held := named("aa", sequence(0, 3)...)
	c.settle(t, input(held))
	held.Hold, held.Gone = true, map[string]bool{"10.0.0.2": true}
	if diff := gocmp.Diff([]string{"update aa-aaaaaaaa-ipv4-0: 10.0.0.1 10.0.0.3"}, describe(c.settle(t, input(held)))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestStraysAreDeleted: slices of this Service whose owner is none of its
// backends.
func TestStraysAreDeleted(t *testing.T) {
	c := newCluster()
	c.settle(t, input(named("aa", "10.0.0.1"), named("bb", "10.0.0.2"), named("cc", "10.0.0.3")))
	plan := c.settle(t, input(named("bb", "10.0.0.2")))
	if diff := gocmp.Diff([]string{"delete aa-aaaaaaaa-ipv4-0", "delete cc-cccccccc-ipv4-0"}, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestUnrecognisableSliceIsReplaced: without owner and provenance nobody can
// tell whose it was, but its name stays taken until it is gone.
func TestUnrecognisableSliceIsReplaced(t *testing.T) {
	for name, strip := range map[string]func(*discoveryv1.EndpointSlice){
		"no references": func(s *discoveryv1.EndpointSlice) {
			s.OwnerReferences = nil
			for i := range s.Endpoints {
				s.Endpoints[i].TargetRef = nil
			}
		},
		"references to another": func(s *discoveryv1.EndpointSlice) {
			s.OwnerReferences = nil
			s.Endpoints[0].TargetRef = &corev1.ObjectReference{Kind: "Pod", UID: "pod"}
		},
		"another owner": func(s *discoveryv1.EndpointSlice) { s.OwnerReferences[0].UID = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2"))
			c.settle(t, in)
			c.edit(v4Slice+"0", strip)
			want := []string{"create eb-aaaaaaaa-ipv4-1: 10.0.0.1 10.0.0.2", "delete eb-aaaaaaaa-ipv4-0"}
			if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// Rule 43, between ExternalBackends: who takes an address over publishes it
// before the other lets go.
func TestHandOverAddsFirst(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		olderBefore, youngerBefore []string
		olderAfter, youngerAfter   []string
		want                       []string
	}{{
		name:        "the older gives one up",
		olderBefore: []string{"10.0.0.1", "10.0.0.2"}, youngerBefore: []string{"10.0.0.3"},
		olderAfter: []string{"10.0.0.1"}, youngerAfter: []string{"10.0.0.2", "10.0.0.3"},
		want: []string{"update bb-bbbbbbbb-ipv4-0: 10.0.0.3 10.0.0.2", "update aa-aaaaaaaa-ipv4-0: 10.0.0.1"},
	}, {
		name:        "the older gives up its last",
		olderBefore: []string{"10.0.0.1"}, youngerBefore: []string{"10.0.0.3"},
		youngerAfter: []string{"10.0.0.1", "10.0.0.3"},
		want:         []string{"update bb-bbbbbbbb-ipv4-0: 10.0.0.3 10.0.0.1", "delete aa-aaaaaaaa-ipv4-0"},
	}, {
		name:        "the older exchanges one for another",
		olderBefore: []string{"10.0.0.1", "10.0.0.2"}, youngerBefore: []string{"10.0.0.3"},
		olderAfter: []string{"10.0.0.1", "10.0.0.9"}, youngerAfter: []string{"10.0.0.2", "10.0.0.3"},
		want: []string{
			"create aa-aaaaaaaa-ipv4-1: 10.0.0.9 10.0.0.1", "update bb-bbbbbbbb-ipv4-0: 10.0.0.3 10.0.0.2",
			"delete aa-aaaaaaaa-ipv4-0",
		},
	}, {
		name:        "both exchange",
		olderBefore: []string{"10.0.0.1", "10.0.0.2"}, youngerBefore: []string{"10.0.0.3", "10.0.0.4"},
		olderAfter: []string{"10.0.0.1", "10.0.0.3"}, youngerAfter: []string{"10.0.0.2", "10.0.0.4"},
		want: []string{
			"create aa-aaaaaaaa-ipv4-1: 10.0.0.3 10.0.0.1", "create bb-bbbbbbbb-ipv4-1: 10.0.0.2 10.0.0.4",
			"delete aa-aaaaaaaa-ipv4-0", "delete bb-bbbbbbbb-ipv4-0",
		},
	}} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster()
			c.settle(t, input(named("aa", tt.olderBefore...), named("bb", tt.youngerBefore...)))
			stay := slices.Concat(tt.olderBefore, tt.youngerBefore)
			wanted := slices.Concat(tt.olderAfter, tt.youngerAfter)
			stay = slices.DeleteFunc(stay, func(a string) bool { return !slices.Contains(wanted, a) })
			c.afterWrite = func(t tb, write string) {
				published := c.published("payments")
				for _, address := range stay {
					if !published[address] {
						t.Errorf("after %s, %s is missing", write, address)
					}
				}
			}
			plan := c.settle(t, input(named("aa", tt.olderAfter...), named("bb", tt.youngerAfter...)))
			if diff := gocmp.Diff(tt.want, describe(plan)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFlips: what is told about readiness, from the view of a consumer, to
// which an unset condition means ready.
func TestFlips(t *testing.T) {
	c := newCluster()
	aa, bb := named("aa", "10.0.0.1", "10.0.0.2!/x", "10.0.0.3", "10.0.0.4"), named("bb", "10.0.0.5")
	if plan := c.settle(t, input(aa, bb)); len(plan.Flips) > 0 {
		t.Errorf("first publication: flips %v", plan.Flips)
	}
	aa = named("aa", "10.0.0.1!", "10.0.0.2/x", "10.0.0.3/y", "10.0.0.6")
	bb = named("bb", "10.0.0.5!")
	aa.Endpoints[2].Conditions.Terminating = true
	draining(&bb.Endpoints[0], 30)
	plan := c.settle(t, input(aa, bb))
	want := []sliceplan.Flip{
		{Owner: aa.Owner.UID, Address: "10.0.0.1", Entry: "rack", Ready: false},
		{Owner: aa.Owner.UID, Address: "10.0.0.2", Entry: "x", Ready: true},
		{Owner: bb.Owner.UID, Address: "10.0.0.5", Entry: "rack", Ready: false, Draining: true},
	}
	if diff := gocmp.Diff(want, plan.Flips); diff != "" {
		t.Errorf("flips (-want +got):\n%s", diff)
	}
	c.edit("aa-aaaaaaaa-ipv4-0", func(s *discoveryv1.EndpointSlice) {
		s.Endpoints[0].Conditions.Ready, s.Endpoints[1].Conditions.Ready = nil, nil
	})
	want = []sliceplan.Flip{{Owner: aa.Owner.UID, Address: "10.0.0.1", Entry: "rack", Ready: false}}
	if diff := gocmp.Diff(want, c.settle(t, input(aa, bb)).Flips); diff != "" {
		t.Errorf("flips after conditions were unset (-want +got):\n%s", diff)
	}
}

// TestPlanSharesNothingWithItsInput: whoever writes a planned slice gets a
// copy of its own (rule 47).
func TestPlanSharesNothingWithItsInput(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 5)...))
	in.Backends[0].PortSets[0][0].AppProtocol = new("http")
	c.settle(t, in)
	in.Backends[0].Endpoints = endpoints("10.0.0.1!", "10.0.0.2", "10.0.0.3", "2001:db8::1")
	in.Existing = c.list()
	copied := deepCopy(in)
	plan := sliceplan.Compute(in)
	if len(plan.Create) == 0 || len(plan.Update) == 0 {
		t.Fatalf("got %v, want some of each", describe(plan))
	}
	for _, slice := range slices.Concat(plan.Create, plan.Update) {
		scribble(slice)
	}
	if diff := gocmp.Diff(copied, in); diff != "" {
		t.Errorf("writing to the plan changed the input (-before +after):\n%s", diff)
	}
}

// scribble overwrites everything that a slice refers to.
func scribble(s *discoveryv1.EndpointSlice) {
	for key := range s.Labels {
		s.Labels[key] = "scribbled"
	}
	for key := range s.Annotations {
		s.Annotations[key] = "scribbled"
	}
	s.OwnerReferences[0].Name, *s.OwnerReferences[0].Controller = "scribbled", false
	for i := range s.Ports {
		*s.Ports[i].Name, *s.Ports[i].Port = "scribbled", 1
		if s.Ports[i].AppProtocol != nil {
			*s.Ports[i].AppProtocol = "scribbled"
		}
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		e.Addresses[0], e.TargetRef.Name = "scribbled", "scribbled"
		*e.Conditions.Ready, *e.Conditions.Serving, *e.Conditions.Terminating = false, false, true
	}
}
