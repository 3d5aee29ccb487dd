// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	gocmp "github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"externalbackend.dev/operator/internal/sliceplan"
)

// tb is what *testing.T and *rapid.T have in common.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// cluster keeps slices as the API server does: it refuses what that refuses,
// and what must never be written.
type cluster struct {
	stored   map[string]*discoveryv1.EndpointSlice
	revision int
	// afterWrite, if set, looks at every state between two writes.
	afterWrite func(t tb, write string)
	// untouched, if set, tells slices that may be updated though they are not
	// as they should be.
	untouched func(*discoveryv1.EndpointSlice) bool
}

func newCluster() *cluster {
	return &cluster{stored: make(map[string]*discoveryv1.EndpointSlice)}
}

func (c *cluster) names() []string { return slices.Sorted(maps.Keys(c.stored)) }

// list returns the slices in the order of their names, as a cache shares them.
func (c *cluster) list() []*discoveryv1.EndpointSlice {
	all := make([]*discoveryv1.EndpointSlice, 0, len(c.stored))
	for _, name := range c.names() {
		all = append(all, c.stored[name])
	}
	return all
}

// edit changes a stored slice as a user would.
func (c *cluster) edit(name string, change func(*discoveryv1.EndpointSlice)) {
	slice := c.stored[name].DeepCopy()
	change(slice)
	c.put(slice)
}

func (c *cluster) put(slice *discoveryv1.EndpointSlice) {
	c.revision++
	slice.ResourceVersion = strconv.Itoa(c.revision)
	if slice.UID == "" {
		slice.UID = types.UID("slice-" + slice.ResourceVersion)
	}
	c.stored[slice.Name] = slice
}

// settle plans, executes the plan and expects the next plan to be empty.
func (c *cluster) settle(t tb, in sliceplan.Input) sliceplan.Plan {
	t.Helper()
	in.Existing = c.list()
	plan := compute(t, in)
	c.apply(t, &plan)
	in.Existing = c.list()
	if again := compute(t, in); !again.Empty() || len(again.Flips) > 0 {
		t.Errorf("the plan after an executed one is not empty: %v", describe(again))
	}
	return plan
}

// compute plans, and expects that the input is not modified (rule 47) and that
// the order of the slices does not matter.
func compute(t tb, in sliceplan.Input) sliceplan.Plan {
	t.Helper()
	copied := deepCopy(in)
	plan := sliceplan.Compute(in)
	if !reflect.DeepEqual(copied, in) {
		t.Fatalf("the input was modified (-before +after):\n%s", gocmp.Diff(copied, in))
	}
	slices.Reverse(copied.Existing)
	if reversed := sliceplan.Compute(copied); !equality.Semantic.DeepEqual(plan, reversed) {
		t.Fatalf("the plan depends on the order of the slices (-sorted +reversed):\n%s", gocmp.Diff(plan, reversed))
	}
	slices.Reverse(copied.Backends)
	sorted, reversed := slices.Sorted(slices.Values(describe(plan))), slices.Sorted(slices.Values(describe(sliceplan.Compute(copied))))
	if !slices.Equal(sorted, reversed) {
		t.Fatalf("the writes depend on the order of the backends (-given +reversed):\n%s", gocmp.Diff(sorted, reversed))
	}
	return plan
}

func deepCopy(in sliceplan.Input) sliceplan.Input {
	in.Service.Families = slices.Clone(in.Service.Families)
	in.Service.Labels = maps.Clone(in.Service.Labels)
	in.Backends = slices.Clone(in.Backends)
	for i := range in.Backends {
		in.Backends[i].Endpoints = slices.Clone(in.Backends[i].Endpoints)
		in.Backends[i].Gone = maps.Clone(in.Backends[i].Gone)
		in.Backends[i].PortSets = slices.Clone(in.Backends[i].PortSets)
		for n, ports := range in.Backends[i].PortSets {
			copied := discoveryv1.EndpointSlice{Ports: ports}
			in.Backends[i].PortSets[n] = copied.DeepCopy().Ports
		}
	}
	in.Existing = slices.Clone(in.Existing)
	for i := range in.Existing {
		in.Existing[i] = in.Existing[i].DeepCopy()
	}
	return in
}

// apply executes a plan in its order.
func (c *cluster) apply(t tb, plan *sliceplan.Plan) {
	t.Helper()
	step := func(verb string, list []*discoveryv1.EndpointSlice, write func(*discoveryv1.EndpointSlice) error) {
		for _, slice := range list {
			if err := write(slice); err != nil {
				t.Fatalf("%s %s: %v", verb, slice.Name, err)
			}
			if c.afterWrite != nil {
				c.afterWrite(t, verb+" "+slice.Name)
			}
		}
	}
	step("delete", plan.Misplaced, c.delete)
	step("create", plan.Create, c.create)
	step("update", plan.Update, c.update)
	step("delete", plan.Delete, c.delete)
}

func (c *cluster) create(slice *discoveryv1.EndpointSlice) error {
	if c.stored[slice.Name] != nil {
		return fmt.Errorf("already exists")
	}
	if slice.ResourceVersion != "" || slice.UID != "" {
		return fmt.Errorf("resourceVersion and uid must not be set on objects to be created")
	}
	if err := validate(slice); err != nil {
		return err
	}
	c.put(slice.DeepCopy())
	return nil
}

// update demands the version that is stored (rule 45).
func (c *cluster) update(slice *discoveryv1.EndpointSlice) error {
	stored := c.stored[slice.Name]
	switch {
	case stored == nil:
		return fmt.Errorf("not found")
	case stored.ResourceVersion != slice.ResourceVersion || stored.UID != slice.UID:
		return fmt.Errorf("the object has been modified")
	case stored.AddressType != slice.AddressType: // rule 7
		return fmt.Errorf("addressType is immutable")
	case stored.DeletionTimestamp != nil:
		return fmt.Errorf("is terminating") // rule 48
	case equality.Semantic.DeepEqual(withoutRiders(stored), withoutRiders(slice)): // rule 44
		return fmt.Errorf("nothing changed")
	}
	if err := validate(slice); err != nil && (c.untouched == nil || !c.untouched(slice)) {
		return err
	}
	c.put(slice.DeepCopy())
	return nil
}

// delete demands the object and version that are stored (rule 46).
func (c *cluster) delete(slice *discoveryv1.EndpointSlice) error {
	stored := c.stored[slice.Name]
	switch {
	case stored == nil:
		return fmt.Errorf("not found")
	case stored.ResourceVersion != slice.ResourceVersion || stored.UID != slice.UID:
		return fmt.Errorf("the object has been modified")
	case stored.DeletionTimestamp != nil:
		return fmt.Errorf("is terminating")
	}
	delete(c.stored, slice.Name)
	return nil
}

// validate checks what holds for every slice that is ever written.
func validate(slice *discoveryv1.EndpointSlice) error {
	if problems := validation.IsDNS1123Subdomain(slice.Name); len(problems) > 0 {
		return fmt.Errorf("name: %v", problems)
	}
	for key, value := range slice.Labels {
		if problems := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(problems) > 0 {
			return fmt.Errorf("label %s=%s: %v", key, value, problems)
		}
	}
	if slice.Labels[discoveryv1.LabelServiceName] == "" || slice.Labels[discoveryv1.LabelManagedBy] != sliceplan.ManagedBy { // rule 1
		return fmt.Errorf("labels: %v", slice.Labels)
	}
	if len(slice.OwnerReferences) != 1 || metav1.GetControllerOfNoCopy(slice) == nil || slice.OwnerReferences[0].BlockOwnerDeletion != nil {
		return fmt.Errorf("owner references: %v", slice.OwnerReferences)
	}
	for _, p := range slice.Ports {
		if p.Name == nil || p.Protocol == nil || p.Port == nil || *p.Port < 1 || *p.Port > 65535 { // rules 11, 12
			return fmt.Errorf("port: %v", p)
		}
	}
	if len(slice.Endpoints) == 0 || len(slice.Endpoints) > sliceplan.HardMaxEndpoints { // rule 42
		return fmt.Errorf("%d endpoints", len(slice.Endpoints))
	}
	seen := make(map[string]bool, len(slice.Endpoints))
	for i := range slice.Endpoints {
		if err := validateEndpoint(&slice.Endpoints[i], slice, seen); err != nil {
			return err
		}
	}
	return nil
}

func validateEndpoint(e *discoveryv1.Endpoint, slice *discoveryv1.EndpointSlice, seen map[string]bool) error {
	if len(e.Addresses) != 1 { // rule 20
		return fmt.Errorf("addresses of an endpoint: %v", e.Addresses)
	}
	addr, kind := e.Addresses[0], discoveryv1.AddressTypeFQDN // rule 29
	if ip, err := netip.ParseAddr(addr); err == nil && ip.Is4() {
		kind = ipv4
	} else if err == nil {
		kind = ipv6
	}
	if kind != slice.AddressType || kind == discoveryv1.AddressTypeFQDN && len(slice.Endpoints) > 1 {
		return fmt.Errorf("%q in a slice of %s", e.Addresses[0], slice.AddressType)
	}
	if seen[e.Addresses[0]] {
		return fmt.Errorf("%s twice", addr)
	}
	seen[e.Addresses[0]] = true
	if e.Conditions.Ready == nil || e.Conditions.Serving == nil || e.Conditions.Terminating == nil { // rule 32
		return fmt.Errorf("%s: conditions %v", addr, e.Conditions)
	}
	if e.NodeName != nil || e.TargetRef == nil || e.TargetRef.UID != slice.OwnerReferences[0].UID { // rule 38
		return fmt.Errorf("%s: nodeName %v, targetRef %v", addr, e.NodeName, e.TargetRef)
	}
	return nil
}

// published is what consumers of a Service see: facts as tell states them.
func (c *cluster) published(service string) map[string]bool {
	facts := make(map[string]bool)
	for _, slice := range c.stored {
		if slice.Labels[discoveryv1.LabelServiceName] != service || slice.DeletionTimestamp != nil {
			continue
		}
		for i := range slice.Endpoints {
			ready := slice.Endpoints[i].Conditions.Ready
			tell(facts, slice.Endpoints[i].Addresses[0], slice.Ports, ready == nil || *ready)
		}
	}
	return facts
}

// tell adds what is true of a published address. What consumers make of one
// that stands in two places is not defined.
func tell(facts map[string]bool, address string, ports []discoveryv1.EndpointPort, ready bool) {
	facts[address+" twice"] = facts[address]
	facts[address] = true
	if ready {
		facts[address+" ready"] = true
		facts[address+" ready on "+portText(ports)] = true
	}
}
