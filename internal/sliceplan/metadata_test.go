// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/internal/sliceplan"
)

// TestCreatedSlice looks at everything that a new slice has.
func TestCreatedSlice(t *testing.T) {
	b := backend("192.0.2.1", "192.0.2.2!/spare")
	draining(&b.Endpoints[1], 30)
	b.Endpoints[0].Hostname, b.Endpoints[0].Zone, b.Endpoints[0].Changed = "rack", "eu-west-1a", noon
	b.PortSets[0][0].AppProtocol = new("kubernetes.io/h2c")
	in := input(b)
	plan := newCluster().settle(t, in)
	ref := func(entry string) *corev1.ObjectReference {
		return &corev1.ObjectReference{
			APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend", Namespace: "shop", Name: "eb",
			UID: "aaaaaaaa-0000-4000-8000-000000000000", FieldPath: "spec.targets{" + entry + "}",
		}
	}
	want := []*discoveryv1.EndpointSlice{{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "eb-aaaaaaaa-ipv4-0",
			Labels: map[string]string{
				"kubernetes.io/service-name":             "payments",
				"endpointslice.kubernetes.io/managed-by": "controller.externalbackend.dev",
				"app":                                    "payments", "team": "shop",
			},
			Annotations: map[string]string{
				"externalbackend.dev/service-uid":                  "svc-1",
				"externalbackend.dev/endpoint-state":               `{"192.0.2.2":{"drainUntil":"2026-11-21T12:00:30Z"}}`,
				"endpoints.kubernetes.io/last-change-trigger-time": "2026-11-21T12:00:00Z",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend", Name: "eb",
				UID: "aaaaaaaa-0000-4000-8000-000000000000", Controller: new(true),
			}},
		},
		AddressType: "IPv4",
		Ports: []discoveryv1.EndpointPort{
			{Name: new("http"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(8080)), AppProtocol: new("kubernetes.io/h2c")},
			{Name: new("admin"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(9090))},
		},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{"192.0.2.1"},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
			Hostname:   new("rack"),
			Zone:       new("eu-west-1a"),
			TargetRef:  ref("rack"),
		}, {
			Addresses:  []string{"192.0.2.2"},
			Conditions: discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)},
			TargetRef:  ref("spare"),
		}},
	}}
	if diff := gocmp.Diff(want, plan.Create); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
}

// Rule 2: values that belong to kube-controller-manager.
func TestManagedByIsOurOwn(t *testing.T) {
	for _, taken := range []string{"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"} {
		if sliceplan.ManagedBy == taken {
			t.Errorf("ManagedBy is %s", taken)
		}
	}
}

// Rules 1, 9, 10: each change of the Service's labels or kind is one update of
// each slice and leaves its endpoints alone.
func TestLabelsFollowTheService(t *testing.T) {
	const service, managedBy, headless = discoveryv1.LabelServiceName, discoveryv1.LabelManagedBy, corev1.IsHeadlessService
	ours := map[string]string{service: "payments", managedBy: sliceplan.ManagedBy}
	for _, tt := range []struct {
		name          string
		before, after map[string]string
		headless      [2]bool
		want          map[string]string // besides ours
	}{
		{name: "rule 10: a label is added", after: map[string]string{"a": "1"}, want: map[string]string{"a": "1"}},
		{name: "rule 10: a label changes", before: map[string]string{"a": "1"}, after: map[string]string{"a": "2"}, want: map[string]string{"a": "2"}},
		{name: "rule 10: a label is removed", before: map[string]string{"a": "1", "b": "1"}, after: map[string]string{"b": "1"}, want: map[string]string{"b": "1"}},
		{name: "rule 10: the last label is removed", before: map[string]string{"a": "1"}},
		{name: "rule 9: becomes headless", headless: [2]bool{false, true}, want: map[string]string{headless: ""}},
		{name: "rule 9: is headless no more", headless: [2]bool{true, false}},
		{
			name: "a label that matters to proxies is mirrored", after: map[string]string{"service.kubernetes.io/service-proxy-name": "other"},
			want: map[string]string{"service.kubernetes.io/service-proxy-name": "other"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, in := newCluster(), input(backend(append(sequence(0, 4), "2001:db8::1")...))
			in.Service.Labels, in.Service.Headless = tt.before, tt.headless[0]
			c.settle(t, in)
			in.Service.Labels, in.Service.Headless = tt.after, tt.headless[1]
			plan := c.settle(t, in)
			if len(plan.Update) != 3 || len(describe(plan)) != 3 {
				t.Errorf("got %v, want one update for each of 3 slices", describe(plan))
			}
			want := maps.Clone(ours)
			maps.Copy(want, tt.want)
			for _, slice := range c.list() {
				if diff := gocmp.Diff(want, slice.Labels); diff != "" {
					t.Errorf("labels of %s (-want +got):\n%s", slice.Name, diff)
				}
			}
		})
	}
}

// Rule 10: labels with a meaning on slices are ours to set.
func TestReservedLabelsAreNotMirrored(t *testing.T) {
	c, in := newCluster(), input(backend("192.0.2.1"))
	in.Service.Labels = map[string]string{
		discoveryv1.LabelServiceName: "other", discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io",
		corev1.IsHeadlessService: "", "kept": "yes",
	}
	c.settle(t, in)
	want := map[string]string{
		discoveryv1.LabelServiceName: "payments", discoveryv1.LabelManagedBy: sliceplan.ManagedBy, "kept": "yes",
	}
	if diff := gocmp.Diff(want, c.stored[v4Slice+"0"].Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// Rule 10: a slice has no more labels than fit into it, always the same, whatever
// the Service has.
func TestLabelsAreBounded(t *testing.T) {
	const proxy = "service.kubernetes.io/service-proxy-name"
	c, in := newCluster(), input(backend(sequence(0, 4)...))
	in.Service.Labels = map[string]string{proxy: "other"}
	want := map[string]string{
		proxy: "other", discoveryv1.LabelServiceName: "payments", discoveryv1.LabelManagedBy: sliceplan.ManagedBy,
	}
	for i := range 4000 {
		key := fmt.Sprintf("example.com/%04d", i)
		in.Service.Labels[key] = "x"
		if i < sliceplan.MaxLabels-1 {
			want[key] = "x"
		}
		if len(in.Service.Labels) == sliceplan.MaxLabels {
			c.settle(t, in)
		}
	}
	if plan := c.settle(t, in); !plan.Empty() {
		t.Errorf("written for labels that are not mirrored: %v", describe(plan))
	}
	for _, slice := range c.list() {
		if diff := gocmp.Diff(want, slice.Labels); diff != "" {
			t.Errorf("labels of %s (-want +got):\n%s", slice.Name, diff)
		}
	}
	in.Service.Labels["a"] = "first"
	delete(want, fmt.Sprintf("example.com/%04d", sliceplan.MaxLabels-2))
	want["a"] = "first"
	c.settle(t, in)
	if diff := gocmp.Diff(want, c.stored[v4Slice+"0"].Labels); diff != "" {
		t.Errorf("labels with one that comes first (-want +got):\n%s", diff)
	}
}

// Rule 6: names are deterministic, carry the owner's UID and fit.
func TestNames(t *testing.T) {
	names := func(in sliceplan.Input) string {
		var list []string
		for _, slice := range sliceplan.Compute(in).Create {
			list = append(list, slice.Name)
		}
		return strings.Join(list, " ")
	}
	b := backend(append(sequence(0, 7), "2001:db8::1")...)
	if got, want := names(input(b)), "eb-aaaaaaaa-ipv4-0 eb-aaaaaaaa-ipv4-1 eb-aaaaaaaa-ipv4-2 eb-aaaaaaaa-ipv6-0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if first, second := names(input(b)), names(input(b)); first != second {
		t.Errorf("%s, the second time %s", first, second)
	}
	again := b
	again.Owner.UID = "bbbbbbbb-0000-4000-8000-000000000000"
	if got := names(input(again)); strings.Contains(got, "aaaaaaaa") || !strings.Contains(got, "eb-bbbbbbbb-ipv4-0") {
		t.Errorf("an object recreated under the same name: %s", got)
	}
	long := backend(sequence(0, 2000)...)
	long.Owner.Name = strings.Repeat("n", 63)
	in := input(long)
	in.MaxEndpoints = 1
	for _, slice := range newCluster().settle(t, in).Create {
		if len(slice.Name) > 253 {
			t.Errorf("%s has %d characters", slice.Name, len(slice.Name))
		}
	}
	short := backend("192.0.2.1")
	short.Owner.UID = "tiny"
	if got := names(input(short)); got != "eb-tiny-ipv4-0" {
		t.Errorf("a short UID: %s", got)
	}
}

// Rule 50: the recorded UID of the Service follows by updates; no endpoint
// goes.
func TestRecreatedServiceIsRebound(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 5)...))
	c.settle(t, in)
	in.Service.UID = "svc-2"
	plan := c.settle(t, in)
	want := []string{
		"update eb-aaaaaaaa-ipv4-0: 10.0.0.1 10.0.0.2 10.0.0.3",
		"update eb-aaaaaaaa-ipv4-1: 10.0.0.4 10.0.0.5",
	}
	if diff := gocmp.Diff(want, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	for _, slice := range c.list() {
		if got := slice.Annotations[sliceplan.ServiceUIDAnnotation]; got != "svc-2" {
			t.Errorf("%s is bound to %q", slice.Name, got)
		}
	}
}

// Annotations of others are theirs.
func TestForeignAnnotationsStay(t *testing.T) {
	c, in := newCluster(), input(backend("192.0.2.1"))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { s.Annotations["example.com/note"] = "mine" })
	if plan := c.settle(t, in); !plan.Empty() {
		t.Errorf("written for an annotation: %v", describe(plan))
	}
	in.Backends[0].Endpoints[0].Conditions = sliceplan.Conditions{}
	c.settle(t, in)
	if got := c.stored[v4Slice+"0"].Annotations["example.com/note"]; got != "mine" {
		t.Errorf("after an update it is %q", got)
	}
}

func TestOwnerUID(t *testing.T) {
	controller := metav1.OwnerReference{UID: "controller", Controller: new(true)}
	bystander := metav1.OwnerReference{UID: "bystander"}
	named := discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{UID: "named"}}
	for _, tt := range []struct {
		name  string
		slice discoveryv1.EndpointSlice
		want  types.UID
	}{
		{"nobody", discoveryv1.EndpointSlice{}, ""},
		{"the controller", discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{bystander, controller}}}, "controller"},
		{"the controller rather than the endpoints", discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{controller}}, Endpoints: []discoveryv1.Endpoint{named},
		}, "controller"},
		{"stripped: the endpoints tell", discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{}, named}}, "named"},
		{"no controller among the owners: the endpoints tell", discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{bystander}}, Endpoints: []discoveryv1.Endpoint{named},
		}, "named"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := sliceplan.OwnerUID(&tt.slice); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
