// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/internal/sliceplan"
)

// Rules 5, 8, 12, 20, 32, 38, 40: whatever somebody edits in a slice of ours is
// put right by one update, after which it is as it was.
func TestEditsAreRepairedInPlace(t *testing.T) {
	type slice = discoveryv1.EndpointSlice
	for name, edit := range map[string]func(*slice){
		"ready is unset":            func(s *slice) { s.Endpoints[0].Conditions.Ready = nil },
		"serving is unset":          func(s *slice) { s.Endpoints[0].Conditions.Serving = nil },
		"terminating is unset":      func(s *slice) { s.Endpoints[2].Conditions.Terminating = nil },
		"all conditions are unset":  func(s *slice) { s.Endpoints[1].Conditions = discoveryv1.EndpointConditions{} },
		"ready is flipped":          func(s *slice) { s.Endpoints[1].Conditions.Ready = new(true) },
		"serving is flipped":        func(s *slice) { s.Endpoints[1].Conditions.Serving = new(true) },
		"terminating is flipped":    func(s *slice) { s.Endpoints[0].Conditions.Terminating = new(true) },
		"hostname is added":         func(s *slice) { s.Endpoints[0].Hostname = new("host") },
		"hostname is changed":       func(s *slice) { s.Endpoints[1].Hostname = new("host") },
		"hostname is removed":       func(s *slice) { s.Endpoints[1].Hostname = nil },
		"nodeName":                  func(s *slice) { s.Endpoints[0].NodeName = new("node") },
		"zone is added":             func(s *slice) { s.Endpoints[0].Zone = new("eu-west-1a") },
		"zone is changed":           func(s *slice) { s.Endpoints[1].Zone = new("eu-west-1b") },
		"zone is removed":           func(s *slice) { s.Endpoints[1].Zone = nil },
		"hints":                     func(s *slice) { s.Endpoints[0].Hints = &discoveryv1.EndpointHints{} },
		"deprecatedTopology":        func(s *slice) { s.Endpoints[0].DeprecatedTopology = map[string]string{"zone": "a"} },
		"no targetRef":              func(s *slice) { s.Endpoints[1].TargetRef = nil },
		"targetRef to another":      func(s *slice) { s.Endpoints[1].TargetRef.UID = "other" },
		"targetRef of another kind": func(s *slice) { s.Endpoints[0].TargetRef.Kind = "Pod" },
		"another entry":             func(s *slice) { s.Endpoints[0].TargetRef.FieldPath = "spec.targets{other}" },
		"an endpoint is removed":    func(s *slice) { s.Endpoints = s.Endpoints[:2] },
		"all endpoints are edited": func(s *slice) {
			s.Endpoints[0].Zone, s.Endpoints[1].Zone, s.Endpoints[2].Zone = new("a"), new("b"), new("c")
		},
		"an endpoint is added": func(s *slice) {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{"203.0.113.1"}})
		},
		"an endpoint twice": func(s *slice) { s.Endpoints = append(s.Endpoints, s.Endpoints[0]) },

		"port name is unset":     func(s *slice) { s.Ports[0].Name = nil },
		"port number is unset":   func(s *slice) { s.Ports[0].Port = nil },
		"port protocol is unset": func(s *slice) { s.Ports[0].Protocol = nil },
		"port number":            func(s *slice) { s.Ports[0].Port = new(int32(1)) },
		"port protocol":          func(s *slice) { s.Ports[0].Protocol = new(corev1.ProtocolUDP) },
		"appProtocol":            func(s *slice) { s.Ports[0].AppProtocol = new("http") },
		"a port is removed":      func(s *slice) { s.Ports = s.Ports[:1] },
		"a port is added":        func(s *slice) { s.Ports = append(s.Ports, port("extra", 1)) },
		"all ports are removed":  func(s *slice) { s.Ports = nil },

		"rule 5: managed-by is stripped":   func(s *slice) { delete(s.Labels, discoveryv1.LabelManagedBy) },
		"rule 5: managed-by is another":    func(s *slice) { s.Labels[discoveryv1.LabelManagedBy] = "me" },
		"rule 8: service-name is stripped": func(s *slice) { delete(s.Labels, discoveryv1.LabelServiceName) },
		"rule 8: service-name is emptied":  func(s *slice) { s.Labels[discoveryv1.LabelServiceName] = "" },
		"all labels are stripped":          func(s *slice) { s.Labels = nil },
		"a mirrored label is edited":       func(s *slice) { s.Labels["app"] = "other" },
		"a mirrored label is removed":      func(s *slice) { delete(s.Labels, "app") },
		"a label is added":                 func(s *slice) { s.Labels["extra"] = "" },
		"rule 9: headless label is added":  func(s *slice) { s.Labels[corev1.IsHeadlessService] = "" },

		"rule 5: the owner is stripped": func(s *slice) { s.OwnerReferences = nil },
		"an owner is added": func(s *slice) {
			s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: "p", UID: "p"})
		},
		"the owner is no controller":  func(s *slice) { s.OwnerReferences[0].Controller = nil },
		"the owner blocks deletion":   func(s *slice) { s.OwnerReferences[0].BlockOwnerDeletion = new(true) },
		"the owner has another name":  func(s *slice) { s.OwnerReferences[0].Name = "other" },
		"the owner has another kind":  func(s *slice) { s.OwnerReferences[0].Kind = "Other" },
		"the owner has another group": func(s *slice) { s.OwnerReferences[0].APIVersion = "other/v1" },

		"the Service's UID is removed": func(s *slice) { s.Annotations = nil },
		"the Service's UID is edited":  func(s *slice) { s.Annotations[sliceplan.ServiceUIDAnnotation] = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster()
			in := input(backend("10.0.0.1", "10.0.0.2!", "10.0.0.3", "10.0.0.4"))
			in.Backends[0].Endpoints[1].Hostname, in.Backends[0].Endpoints[1].Zone = "rack", "eu-west-1a"
			c.settle(t, in)
			before := c.list()
			c.edit(v4Slice+"0", edit)
			plan := c.settle(t, in)
			if len(plan.Update) != 1 || len(describe(plan)) != 1 {
				t.Errorf("got %v, want one update", describe(plan))
			}
			for i, slice := range c.list() {
				slice := slice.DeepCopy()
				slice.ResourceVersion = before[i].ResourceVersion
				if diff := gocmp.Diff(before[i], slice); diff != "" {
					t.Errorf("after the repair (-before +after):\n%s", diff)
				}
			}
		})
	}
}

// TestTwoAddressesInOneEndpoint: consumers read only the first (rule 20).
func TestTwoAddressesInOneEndpoint(t *testing.T) {
	c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2"))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) {
		s.Endpoints[0].Addresses = append(s.Endpoints[0].Addresses, "10.0.0.2")
		s.Endpoints = s.Endpoints[:1]
	})
	want := []string{"update eb-aaaaaaaa-ipv4-0: 10.0.0.1 10.0.0.2"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestReorderedEndpointsAreNoChange(t *testing.T) {
	c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2!", "10.0.0.3"))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { slices.Reverse(s.Endpoints) })
	if plan := c.settle(t, in); !plan.Empty() {
		t.Errorf("got %v", describe(plan))
	}
}

// TestDeletedSliceIsRecreated under the name that it had (rule 5).
func TestDeletedSliceIsRecreated(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 7)...))
	c.settle(t, in)
	delete(c.stored, v4Slice+"1")
	want := []string{"create eb-aaaaaaaa-ipv4-1: 10.0.0.4 10.0.0.5 10.0.0.6"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestDuplicatesInLiveSlices: the first slice keeps the address.
func TestDuplicatesInLiveSlices(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 4)...))
	c.settle(t, in)
	c.edit(v4Slice+"1", func(s *discoveryv1.EndpointSlice) {
		s.Endpoints = append([]discoveryv1.Endpoint{*c.stored[v4Slice+"0"].Endpoints[1].DeepCopy()}, s.Endpoints...)
	})
	want := []string{"update eb-aaaaaaaa-ipv4-1: 10.0.0.4"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	c.edit(v4Slice+"1", func(s *discoveryv1.EndpointSlice) {
		s.Endpoints = []discoveryv1.Endpoint{*c.stored[v4Slice+"0"].Endpoints[1].DeepCopy()}
	})
	want = []string{"update eb-aaaaaaaa-ipv4-1: 10.0.0.4"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("replaced by a duplicate (-want +got):\n%s", diff)
	}
}

// Rule 48: a slice of ours that is going is left alone, does not count, and
// its name stays taken until it is gone.
func TestTerminatingSlicesAreIgnored(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 4)...))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) {
		s.DeletionTimestamp, s.Finalizers = new(metav1.Now()), []string{"example.com/hold"}
	})
	want := []string{"create eb-aaaaaaaa-ipv4-2: 10.0.0.1 10.0.0.2 10.0.0.3"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	in.Backends[0].Endpoints = nil
	want = []string{"delete eb-aaaaaaaa-ipv4-1", "delete eb-aaaaaaaa-ipv4-2"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("plan for no endpoints (-want +got):\n%s", diff)
	}
	in.Backends = nil
	if plan := c.settle(t, in); !plan.Empty() {
		t.Errorf("plan for no backend: %v", describe(plan))
	}
}

// Rule 8: a slice that was relabelled for another Service is deleted first,
// and made anew under its name.
func TestMisplacedSliceIsMadeAnew(t *testing.T) {
	c, in := newCluster(), input(backend(append(sequence(0, 4), "2001:db8::1")...))
	c.settle(t, in)
	c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelServiceName] = "other" })
	plan := c.settle(t, in)
	want := []string{"misplaced eb-aaaaaaaa-ipv4-0", "create eb-aaaaaaaa-ipv4-0: 10.0.0.1 10.0.0.2 10.0.0.3"}
	if diff := gocmp.Diff(want, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if len(plan.Flips) > 0 {
		t.Errorf("flips %v", plan.Flips)
	}
}

// TestSlicesOfAnotherServiceStay: an ExternalBackend that has moved to this
// Service leaves its slices to the plan of the other.
func TestSlicesOfAnotherServiceStay(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 2)...))
	elsewhere := in
	elsewhere.Service.Name, elsewhere.Service.UID = "elsewhere", "svc-9"
	c.settle(t, elsewhere)
	want := []string{"create eb-aaaaaaaa-ipv4-1: 10.0.0.1 10.0.0.2"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
