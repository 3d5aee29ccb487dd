// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/internal/sliceplan"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// draining makes an endpoint terminate until so many seconds after noon.
func draining(e *sliceplan.Endpoint, seconds int) {
	e.Conditions = sliceplan.Conditions{Serving: true, Terminating: true}
	e.DrainUntil = noon.Add(time.Duration(seconds) * time.Second).In(time.FixedZone("west", -3600))
}

// annotations are those of the first two slices, where they are there.
func (c *cluster) annotations(key string) [2]string {
	var values [2]string
	for n := range values {
		if slice := c.stored[fmt.Sprint(v4Slice, n)]; slice != nil {
			values[n] = slice.Annotations[key]
		}
	}
	return values
}

func TestDeadlinesRideOnWrites(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 5)...))
	e := in.Backends[0].Endpoints
	for _, step := range []struct {
		name   string
		change func()
		writes int
		want   [2]string
	}{
		{"nothing drains", func() {}, 2, [2]string{}},
		{
			"recorded with the write that begins the drain",
			func() { draining(&e[1], 30); draining(&e[0], 45); draining(&e[4], 60) },
			2,
			[2]string{
				`{"10.0.0.1":{"drainUntil":"2026-11-21T12:00:45Z"},"10.0.0.2":{"drainUntil":"2026-11-21T12:00:30Z"}}`,
				`{"10.0.0.5":{"drainUntil":"2026-11-21T12:01:00Z"}}`,
			},
		},
		{"another deadline is no reason for a write", func() { draining(&e[4], 90) }, 0, [2]string{
			`{"10.0.0.1":{"drainUntil":"2026-11-21T12:00:45Z"},"10.0.0.2":{"drainUntil":"2026-11-21T12:00:30Z"}}`,
			`{"10.0.0.5":{"drainUntil":"2026-11-21T12:01:00Z"}}`,
		}},
		{"but goes along with one", func() { e[3].Conditions = sliceplan.Conditions{} }, 1, [2]string{
			`{"10.0.0.1":{"drainUntil":"2026-11-21T12:00:45Z"},"10.0.0.2":{"drainUntil":"2026-11-21T12:00:30Z"}}`,
			`{"10.0.0.5":{"drainUntil":"2026-11-21T12:01:30Z"}}`,
		}},
		{"wanted again", func() {
			e[0].Conditions, e[0].DrainUntil = sliceplan.Conditions{Ready: true, Serving: true}, time.Time{}
		}, 1, [2]string{
			`{"10.0.0.2":{"drainUntil":"2026-11-21T12:00:30Z"}}`,
			`{"10.0.0.5":{"drainUntil":"2026-11-21T12:01:30Z"}}`,
		}},
		{"removed by somebody: no reason for a write", func() {
			c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { delete(s.Annotations, sliceplan.StateAnnotation) })
		}, 0, [2]string{"", `{"10.0.0.5":{"drainUntil":"2026-11-21T12:01:30Z"}}`}},
		{"gone", func() { e = append(e[:1:1], e[2:4]...); in.Backends[0].Endpoints = e }, 2, [2]string{}},
	} {
		step.change()
		plan := c.settle(t, in)
		if len(describe(plan)) != step.writes {
			t.Errorf("%s: %d writes, want %d: %v", step.name, len(describe(plan)), step.writes, describe(plan))
		}
		if diff := gocmp.Diff(step.want, c.annotations(sliceplan.StateAnnotation)); diff != "" {
			t.Errorf("%s: annotations (-want +got):\n%s", step.name, diff)
		}
	}
}

// TestDisabledIsRecorded: on the write that takes an endpoint out, or on one of
// its own if it was out already; and so is what else conditions cannot say.
func TestDisabledIsRecorded(t *testing.T) {
	const one, two = `{"10.0.0.1":{"disabled":true}}`, `{"10.0.0.1":{"disabled":true},"10.0.0.2":{"disabled":true}}`
	for name, hold := range map[string]bool{"": false, " on hold": true} {
		c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2!", "10.0.0.3"))
		c.settle(t, in)
		in.Backends[0].Hold = hold
		e := in.Backends[0].Endpoints
		for _, step := range []struct {
			name   string
			change func()
			writes int
			want   string
		}{
			{"out", func() { e[0].Conditions, e[0].Disabled = sliceplan.Conditions{}, true }, 1, one},
			{"out already", func() { e[1].Disabled = true }, 1, two},
			{"a flip of another", func() { e[2].Conditions = sliceplan.Conditions{} }, 1, two},
			{"removed by somebody", func() {
				c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { delete(s.Annotations, sliceplan.StateAnnotation) })
			}, 1, two},
			{"still out, not on purpose", func() { e[1].Disabled = false }, 1, one},
			{"in", func() { e[0].Conditions, e[0].Disabled = sliceplan.Conditions{Ready: true, Serving: true}, false }, 1, ""},
			{"of a priority", func() { e[2].Priority = 10 }, 1, `{"10.0.0.3":{"priority":10}}`},
			{
				"drains by its state", func() {
					e[2].Conditions, e[2].Priority, e[2].ByState = sliceplan.Conditions{Terminating: true}, 0, true
				}, 1,
				`{"10.0.0.3":{"byState":true}}`,
			},
			{"drains still, not by its state", func() { e[2].ByState = false }, 1, ""},
		} {
			step.change()
			plan := c.settle(t, in)
			if len(describe(plan)) != step.writes {
				t.Errorf("%s%s: writes %v, want %d", step.name, name, describe(plan), step.writes)
			}
			if got := c.annotations(sliceplan.StateAnnotation)[0]; got != step.want {
				t.Errorf("%s%s: annotation %s, want %s", step.name, name, got, step.want)
			}
		}
	}
}

// TestDeadlineBeyondAllYears: one that JSON cannot say takes no other record
// with it.
func TestDeadlineBeyondAllYears(t *testing.T) {
	c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2!"))
	draining(&in.Backends[0].Endpoints[0], 0)
	in.Backends[0].Endpoints[0].DrainUntil = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	in.Backends[0].Endpoints[1].Disabled = true
	c.settle(t, in)
	if got := c.annotations(sliceplan.StateAnnotation)[0]; got != `{"10.0.0.2":{"disabled":true}}` {
		t.Errorf("annotation %s", got)
	}
}

// TestAnnotationIsBounded: the API server takes 256 KiB of annotations.
func TestAnnotationIsBounded(t *testing.T) {
	b := backend()
	for n := range sliceplan.HardMaxEndpoints {
		b.Endpoints = append(b.Endpoints, endpoints(fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%x", 0x1000+n))...)
		draining(&b.Endpoints[n], n)
		b.Endpoints[n].Disabled = true
	}
	in := input(b)
	in.MaxEndpoints = sliceplan.HardMaxEndpoints
	made := sliceplan.Compute(in).Create
	if len(made) != 1 || len(made[0].Annotations[sliceplan.StateAnnotation]) > 128<<10 {
		t.Fatalf("%d slices, %d bytes", len(made), len(made[0].Annotations[sliceplan.StateAnnotation]))
	}
	for n, p := range sliceplan.ReadBack(made, b.Owner.UID) {
		if p.Address != b.Endpoints[n].Address || !p.DrainUntil.Equal(b.Endpoints[n].DrainUntil) {
			t.Fatalf("read back %v, want %v", p, b.Endpoints[n])
		}
	}
}

// TestLastChange: when what a slice tells came about, on the writes that tell
// something else of endpoints.
func TestLastChange(t *testing.T) {
	at := func(seconds int) time.Time {
		return noon.Add(time.Duration(seconds)*time.Second + 5*time.Millisecond).In(time.FixedZone("east", 3600))
	}
	c, in := newCluster(), input(backend(sequence(0, 5)...))
	e := in.Backends[0].Endpoints
	for i := range e {
		e[i].Changed = at(10 + i)
	}
	e[0].Changed = time.Time{}
	flip := func(i, seconds int) {
		e[i].Conditions.Ready, e[i].Conditions.Serving = !e[i].Conditions.Ready, !e[i].Conditions.Serving
		e[i].Changed = at(seconds)
	}
	for _, step := range []struct {
		name   string
		change func()
		want   [2]string
	}{
		{"the earliest that is known of new endpoints", func() {}, [2]string{"2026-11-21T12:00:11.005Z", "2026-11-21T12:00:13.005Z"}},
		{"no write, no change", func() { e[0].Changed = at(1) }, [2]string{"2026-11-21T12:00:11.005Z", "2026-11-21T12:00:13.005Z"}},
		{"the earliest of those that changed", func() { flip(1, 50); flip(2, 40) }, [2]string{"2026-11-21T12:00:40.005Z", "2026-11-21T12:00:13.005Z"}},
		{"other contents are no change", func() { e[4].Hostname = "host" }, [2]string{"2026-11-21T12:00:40.005Z", ""}},
		{"not known", func() { flip(0, 0); e[0].Changed = time.Time{} }, [2]string{"", ""}},
		{"edited: it stays until the next write", func() {
			c.edit(v4Slice+"1", func(s *discoveryv1.EndpointSlice) {
				s.Annotations[corev1.EndpointsLastChangeTriggerTime] = "yesterday"
			})
		}, [2]string{"", "yesterday"}},
		{"an addition", func() {
			e = append(e, endpoints("10.0.0.99")...)
			e[5].Changed = at(70)
			in.Backends[0].Endpoints = e
		}, [2]string{"", "2026-11-21T12:01:10.005Z"}},
		{"a removal has no time", func() { e = e[1:]; in.Backends[0].Endpoints = e }, [2]string{"", "2026-11-21T12:01:10.005Z"}},
	} {
		step.change()
		c.settle(t, in)
		if diff := gocmp.Diff(step.want, c.annotations(corev1.EndpointsLastChangeTriggerTime)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

// TestMovesAreNoChange: who moves to another slice or ExternalBackend as it was
// tells nothing new.
func TestMovesAreNoChange(t *testing.T) {
	c := newCluster()
	before := input(named("aa", "10.0.0.1/a", "10.0.0.2/b"), named("bb", "10.0.0.3"))
	c.settle(t, before)
	after := input(withSets([]int32{8080, 90}, "10.0.0.1/a"), named("bb", "10.0.0.2", "10.0.0.3"))
	after.Backends[0].Owner = before.Backends[0].Owner
	for i := range after.Backends {
		for n := range after.Backends[i].Endpoints {
			after.Backends[i].Endpoints[n].Changed = noon
		}
	}
	plan := c.settle(t, after)
	if len(describe(plan)) != 2 || len(plan.Flips) > 0 {
		t.Errorf("writes %v, flips %v", describe(plan), plan.Flips)
	}
	for _, slice := range c.list() {
		if at, ok := slice.Annotations[corev1.EndpointsLastChangeTriggerTime]; ok {
			t.Errorf("%s: last change %s", slice.Name, at)
		}
	}
}

func TestReadBack(t *testing.T) {
	c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2!/spare", "10.0.0.3", "2001:db8::1"), named("bb", "10.0.0.9"))
	b := &in.Backends[0]
	b.Endpoints[0].Hostname, b.Endpoints[0].Zone = "rack", "eu-west-1a"
	b.Endpoints[1].Disabled = true
	draining(&b.Endpoints[2], 30)
	b.Endpoints[2].ByState, b.Endpoints[3].Priority = true, 7
	c.settle(t, in)
	ports := b.PortSets[0]
	want := []sliceplan.Published{
		{
			Address: "10.0.0.1", Family: ipv4, Entry: "rack", Hostname: "rack", Zone: "eu-west-1a", Ports: ports,
			Conditions: conditions(sliceplan.Conditions{Ready: true, Serving: true}),
		},
		{Address: "10.0.0.2", Family: ipv4, Entry: "spare", Ports: ports, Conditions: conditions(sliceplan.Conditions{}), Disabled: true},
		{
			Address: "10.0.0.3", Family: ipv4, Entry: "rack", Ports: ports, DrainUntil: noon.Add(30 * time.Second), ByState: true,
			Conditions: conditions(sliceplan.Conditions{Serving: true, Terminating: true}),
		},
		{
			Address: "2001:db8::1", Family: ipv6, Entry: "rack", Ports: ports, Priority: 7,
			Conditions: conditions(sliceplan.Conditions{Ready: true, Serving: true}),
		},
	}
	for i := range want {
		want[i].Service = "payments"
	}
	reversed := c.list()
	slices.Reverse(reversed)
	for _, list := range [][]*discoveryv1.EndpointSlice{c.list(), reversed} {
		if diff := gocmp.Diff(want, sliceplan.ReadBack(list, b.Owner.UID)); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
	}
	c.edit(v6Slice+"0", func(s *discoveryv1.EndpointSlice) { s.DeletionTimestamp = new(metav1.Now()) })
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) {
		s.Endpoints[0].Addresses, s.Endpoints[1].TargetRef = nil, nil
		s.Endpoints[2].TargetRef.FieldPath = "spec.elsewhere"
		delete(s.Labels, discoveryv1.LabelServiceName)
	})
	want = want[1:3]
	want[0].Entry, want[1].Entry, want[0].Service, want[1].Service = "", "", "", ""
	if diff := gocmp.Diff(want, sliceplan.ReadBack(c.list(), b.Owner.UID)); diff != "" {
		t.Errorf("read back after edits (-want +got):\n%s", diff)
	}
	if got := sliceplan.ReadBack(c.list(), "nobody"); len(got) > 0 {
		t.Errorf("read back of nobody: %v", got)
	}
}

// TestGarbledAnnotation: what cannot be read says nothing, and takes nothing
// else with it.
func TestGarbledAnnotation(t *testing.T) {
	const good = `"10.0.0.1":{"drainUntil":"2026-11-21T12:00:30Z"}`
	c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2"))
	c.settle(t, in)
	for _, tt := range []struct {
		name, text string
		want       map[string]time.Time
	}{
		{"empty", "", nil},
		{"as it should be", "{" + good + "}", map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"of another zone", `{"10.0.0.1":{"drainUntil":"2026-11-21T14:00:30+02:00"}}`, map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"with what is not known yet", `{"10.0.0.1":{"drainUntil":"2026-11-21T12:00:30Z","healthy":[true]}}`, map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"of another address", `{"10.0.0.7":{"drainUntil":"2026-11-21T12:00:30Z"}}`, nil},
		{"no JSON", "drainUntil", nil},
		{"cut off", "{" + good, nil},
		{"null", "null", nil},
		{"a list", "[{" + good + "}]", nil},
		{"a text", `"` + strings.ReplaceAll(good, `"`, `\"`) + `"`, nil},
		{"no time, beside a good one", `{"10.0.0.2":{"drainUntil":"soon"},` + good + `}`, map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"a number for a time", `{"10.0.0.2":{"drainUntil":30},` + good + `}`, map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"a number for a state", `{"10.0.0.2":1,` + good + `}`, map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"null for a state", `{"10.0.0.2":null,` + good + `}`, map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"null for a time", `{"10.0.0.2":{"drainUntil":null},` + good + `}`, map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"deep", strings.Repeat("[", 200<<10), nil},
		{"deep below an address", `{"10.0.0.2":` + strings.Repeat(`{"a":`, 40<<10) + "1" + strings.Repeat("}", 40<<10) + "," + good + "}", nil},
		{"huge", "{" + strings.Repeat(`"10.9.9.9":{"drainUntil":"2026-11-21T12:00:30Z"},`, 5000) + good + "}", map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
		{"not text", "{\"\xff\xfe\":1," + good + "}", map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second)}},
	} {
		c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { s.Annotations[sliceplan.StateAnnotation] = tt.text })
		if diff := gocmp.Diff(tt.want, drainsOf(c.stored[v4Slice+"0"]), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if plan := c.settle(t, in); !plan.Empty() {
			t.Errorf("%s: written for that: %v", tt.name, describe(plan))
		}
	}
}

// TestDeadlinesOfBackendsOnHold: of endpoints that nothing is said about, what
// is recorded stays.
func TestDeadlinesOfBackendsOnHold(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 3)...))
	draining(&in.Backends[0].Endpoints[0], 30)
	draining(&in.Backends[0].Endpoints[1], 45)
	c.settle(t, in)
	in.Backends[0].Hold = true
	in.Backends[0].Endpoints = in.Backends[0].Endpoints[1:]
	draining(&in.Backends[0].Endpoints[1], 60)
	c.settle(t, in)
	want := map[string]time.Time{"10.0.0.1": noon.Add(30 * time.Second), "10.0.0.2": noon.Add(45 * time.Second), "10.0.0.3": noon.Add(60 * time.Second)}
	if diff := gocmp.Diff(want, drainsOf(c.stored[v4Slice+"0"])); diff != "" {
		t.Errorf("deadlines (-want +got):\n%s", diff)
	}
}
