// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/sliceplan"
)

// slices returns all EndpointSlices of the namespace, by name.
func (s *scene) slices(ctx context.Context) []discoveryv1.EndpointSlice {
	GinkgoHelper()
	var list discoveryv1.EndpointSliceList
	Expect(admin.List(ctx, &list, client.InNamespace(s.namespace))).To(Succeed())
	slices.SortFunc(list.Items, func(a, b discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

// ours returns the names of the slices with the operator's label.
func (s *scene) ours(ctx context.Context) []string {
	var names []string
	for _, slice := range s.slices(ctx) {
		if slice.Labels[discoveryv1.LabelManagedBy] == sliceplan.ManagedBy {
			names = append(names, slice.Name)
		}
	}
	return names
}

// slicesOf returns the EndpointSlices that consumers see for a Service.
func (s *scene) slicesOf(ctx context.Context, service string) []discoveryv1.EndpointSlice {
	return slices.DeleteFunc(s.slices(ctx), func(slice discoveryv1.EndpointSlice) bool {
		return slice.Labels[discoveryv1.LabelServiceName] != service
	})
}

// endpoints are the conditions ready, serving and terminating, by address.
type endpoints map[string]string

const (
	in  = "t,t,f"
	out = "f,f,f"
)

// endpointsOf returns what consumers see for a Service. An address that is
// there twice has both its conditions.
func (s *scene) endpointsOf(ctx context.Context, service string) endpoints {
	seen := endpoints{}
	for _, slice := range s.slicesOf(ctx, service) {
		for address, conditions := range endpointsIn(slice) {
			if twice, ok := seen[address]; ok {
				conditions = twice + " and " + conditions
			}
			seen[address] = conditions
		}
	}
	return seen
}

func endpointsIn(slice discoveryv1.EndpointSlice) endpoints {
	text := func(b *bool) string {
		switch {
		case b == nil:
			return "-"
		case *b:
			return "t"
		}
		return "f"
	}
	found := endpoints{}
	for _, e := range slice.Endpoints {
		c := e.Conditions
		found[strings.Join(e.Addresses, "+")] = text(c.Ready) + "," + text(c.Serving) + "," + text(c.Terminating)
	}
	return found
}

// expect waits until consumers see exactly these endpoints.
func (s *scene) expect(ctx context.Context, service string, want endpoints) {
	GinkgoHelper()
	Eventually(s.endpointsOf).WithContext(ctx).WithArguments(service).Should(Equal(want))
}

// ownersOf returns the names of the ExternalBackends that serve the addresses
// of a Service.
func (s *scene) ownersOf(ctx context.Context, service string) map[string]string {
	owners := map[string]string{}
	for _, slice := range s.slicesOf(ctx, service) {
		for _, owner := range slice.OwnerReferences {
			for address := range endpointsIn(slice) {
				owners[address] += owner.Name // both names if there are two
			}
		}
	}
	return owners
}

// slicePath is where the API server has the slices of the namespace.
func (s *scene) slicePath() string {
	return "/apis/discovery.k8s.io/v1/namespaces/" + s.namespace + "/endpointslices"
}

// versions returns the resource versions of all slices: equal ones mean that
// nothing was written.
func (s *scene) versions(ctx context.Context) map[string]string {
	versions := map[string]string{}
	for _, slice := range s.slices(ctx) {
		versions[slice.Name] = slice.ResourceVersion
	}
	return versions
}

// writes returns what the operator has written to slices since a mark, such as
// "update payments-1b2c3d4e-ipv4-0", with the code of a refusal behind it.
func (s *scene) writes(mark int) []string { return s.writesTo("endpointslices", mark) }

func (s *scene) writesTo(resource string, mark int) []string {
	writes := []string{}
	for _, r := range audit.since(mark) {
		if r.Namespace == s.namespace && r.Resource == resource && !slices.Contains([]string{"get", "list", "watch"}, r.Verb) {
			write := r.Verb + " " + r.Name
			if r.Code >= http.StatusBadRequest {
				write += fmt.Sprintf(" (%d)", r.Code)
			}
			writes = append(writes, write)
		}
	}
	return writes
}

// serviceWrites returns what the operator has written to Services since a mark,
// as writes does.
func (s *scene) serviceWrites(mark int) []string { return s.writesTo("services", mark) }

// reports returns how often the operator has patched a status since a mark.
func (s *scene) reports(mark int) (n int) {
	for _, r := range audit.since(mark) {
		if r.Namespace == s.namespace && r.Resource == "externalbackends/status" {
			n++
		}
	}
	return n
}

// events returns the notes of the events about an object, by reason.
func (s *scene) events(ctx context.Context, name string) map[string][]string {
	return s.eventsOf(ctx, name, corev1.EventTypeNormal, corev1.EventTypeWarning)
}

// warnings returns those of the warnings alone.
func (s *scene) warnings(ctx context.Context, name string) map[string][]string {
	return s.eventsOf(ctx, name, corev1.EventTypeWarning)
}

func (s *scene) eventsOf(ctx context.Context, name string, kinds ...string) map[string][]string {
	GinkgoHelper()
	var list eventsv1.EventList
	Expect(admin.List(ctx, &list, client.InNamespace(s.namespace))).To(Succeed())
	notes := map[string][]string{}
	for _, e := range list.Items {
		if e.Regarding.Name == name && slices.Contains(kinds, e.Type) {
			notes[e.Reason] = append(notes[e.Reason], e.Note)
		}
	}
	return notes
}

// serviceUIDs returns the UIDs of the Services that the slices of a Service are
// bound to, one after the other.
func (s *scene) serviceUIDs(ctx context.Context, service string) (uids string) {
	for _, slice := range s.slicesOf(ctx, service) {
		uids += slice.Annotations[sliceplan.ServiceUIDAnnotation]
	}
	return uids
}
