// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/sliceplan"
)

// stored is a cache that holds what a test puts there.
type stored struct {
	cache.Cache
	nodes      []corev1.Node
	namespaces []corev1.Namespace
	policies   []v1alpha1.ExternalBackendPolicy
	slices     []discoveryv1.EndpointSlice
	backends   []v1alpha1.ExternalBackend
}

func (s *stored) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch l := list.(type) {
	case *corev1.NodeList:
		l.Items = slices.Clone(s.nodes)
	case *corev1.NamespaceList:
		l.Items = slices.Clone(s.namespaces)
	case *v1alpha1.ExternalBackendPolicyList:
		l.Items = slices.Clone(s.policies)
	case *discoveryv1.EndpointSliceList:
		l.Items = slices.Clone(s.slices)
	case *v1alpha1.ExternalBackendList:
		l.Items = slices.Clone(s.backends)
	}
	return nil
}

func (s *stored) namespace(name, team string) {
	s.namespaces = append(s.namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}})
}

// policy adds one that lets a team reach what is in a network.
func (s *stored) policy(name, team string, allowed v1alpha1.CIDR) *v1alpha1.ExternalBackendPolicy {
	policy := v1alpha1.ExternalBackendPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	policy.Spec.NamespaceSelector.MatchLabels = v1alpha1.MatchLabels{"team": team}
	policy.Spec.Allow = &v1alpha1.PolicyAllow{CIDRs: []v1alpha1.CIDR{allowed}}
	s.policies = append(s.policies, policy)
	return &s.policies[len(s.policies)-1]
}

func (s *stored) reach() *Reach {
	return &Reach{Discover: true, Clock: clock.RealClock{}, caches: []cache.Cache{s, &stored{slices: s.slices}}}
}

func refresh(ctx context.Context, t testing.TB, r *Reach) {
	t.Helper()
	if _, err := r.refresh(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestBrokenPolicies: what an API server without the rules of the CRD let through
// denies everything to whom it selects, to all if nobody can tell whom, and keeps
// none of the others from being acted on.
func TestBrokenPolicies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*v1alpha1.ExternalBackendPolicy)
		open  []string // namespaces that may still reach the target
		told  string
	}{
		{"none", func(*v1alpha1.ExternalBackendPolicy) {}, []string{"a", "b", "nobody"}, ""},
		{"an operator that nobody knows", func(p *v1alpha1.ExternalBackendPolicy) {
			p.Spec.NamespaceSelector.MatchLabels = nil
			p.Spec.NamespaceSelector.MatchExpressions = []v1alpha1.LabelExpression{{Key: "team", Operator: "Bogus", Values: []v1alpha1.LabelValue{"a"}}}
		}, nil, "spec.namespaceSelector"},
		{"no network", func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.CIDRs = []v1alpha1.CIDR{"everything"} }, []string{"b", "nobody"}, "spec.allow.cidrs"},
		{"ports in descending order", func(p *v1alpha1.ExternalBackendPolicy) {
			p.Spec.Deny = &v1alpha1.PolicyDeny{Ports: []v1alpha1.PortRange{"90-80"}}
		}, []string{"b", "nobody"}, "deny.ports: 90-80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stored{}
			s.namespace("a", "a")
			s.namespace("b", "b")
			s.namespace("nobody", "")
			tt.spoil(s.policy("spoilt", "a", "192.0.2.0/24"))
			s.policy("sound", "b", "192.0.2.0/24")
			var told []string
			ctx := logf.IntoContext(t.Context(), funcr.New(func(_, args string) { told = append(told, args) }, funcr.Options{}))
			r := s.reach()
			refresh(ctx, t, r)
			refresh(ctx, t, r)
			for _, namespace := range []string{"a", "b", "nobody"} {
				err := r.Scope(namespace).Addr(netip.MustParseAddr("192.0.2.1"))
				if open := err == nil; open != slices.Contains(tt.open, namespace) {
					t.Errorf("%s: %v", namespace, err)
				}
				if err != nil && !strings.Contains(err.Error(), `"spoilt" denies it`) {
					t.Errorf("%s does not name the policy: %v", namespace, err)
				}
			}
			if want := min(len(tt.told), 1); len(told) != want {
				t.Errorf("told %d times: %v", len(told), told)
			} else if want > 0 && (!strings.Contains(told[0], tt.told) || !strings.Contains(told[0], "spoilt")) {
				t.Error(told[0])
			}
		})
	}
}

// TestOtherNamespaces: what happens to one namespace, or to a policy that does not
// select it, is no reason to look at the Services of another.
func TestOtherNamespaces(t *testing.T) {
	s := &stored{}
	s.namespace("a", "a")
	s.namespace("b", "b")
	s.namespace("nobody", "")
	s.policy("of-a", "a", "192.0.2.0/24")
	r := s.reach()
	var changed []string
	r.Changed = func(in func(string) bool) {
		changed = nil
		for _, namespace := range []string{"a", "b", "more", "nobody"} {
			if in(namespace) {
				changed = append(changed, namespace)
			}
		}
	}
	for _, step := range []struct {
		name   string
		change func()
		want   string
	}{
		{"the first time", func() {}, "[a b nobody]"},
		{"nothing", func() {}, "[]"},
		{"a namespace comes", func() { s.namespace("more", "") }, "[more]"},
		{"it is given to a team", func() { s.namespaces[3].Labels = map[string]string{"team": "a"} }, "[more]"},
		{"another policy for that team", func() { s.policy("also-of-a", "a", "198.51.100.0/24") }, "[a more]"},
		{"a policy is edited", func() { s.policies[0].Spec.Allow = nil }, "[a more]"},
		{"it selects others", func() { s.policies[0].Spec.NamespaceSelector.MatchLabels = v1alpha1.MatchLabels{"team": "b"} }, "[a b more]"},
		{"the namespace goes", func() { s.namespaces = s.namespaces[:3] }, "[more]"},
		{"a Node comes", func() {
			s.nodes = append(s.nodes, corev1.Node{Spec: corev1.NodeSpec{PodCIDR: "10.0.0.0/24"}})
			r.handler(true).OnAdd(&s.nodes[0], false)
		}, "[a b nobody]"},
	} {
		step.change()
		refresh(t.Context(), t, r)
		if got := fmt.Sprint(changed); got != step.want {
			t.Errorf("%s: changed in %s, want %s", step.name, got, step.want)
		}
	}
}

// TestAddressesOfTheAPIServer are in no slice that is ours, whatever it is called.
func TestAddressesOfTheAPIServer(t *testing.T) {
	slice := discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}}}
	owned, labelled := *slice.DeepCopy(), *slice.DeepCopy()
	owned.OwnerReferences = []metav1.OwnerReference{{Kind: "ExternalBackend", UID: "uid", Controller: new(true)}}
	labelled.Labels = map[string]string{discoveryv1.LabelManagedBy: sliceplan.ManagedBy}
	for want, slice := range map[string]discoveryv1.EndpointSlice{"[192.0.2.1/32]": slice, "[] ": owned, "[]": labelled} {
		found, err := (&stored{slices: []discoveryv1.EndpointSlice{slice}}).reach().networks(t.Context())
		prefixes := []netip.Prefix{}
		for _, network := range found {
			prefixes = append(prefixes, network.Prefix)
		}
		if got := fmt.Sprint(prefixes); err != nil || got != strings.TrimSpace(want) {
			t.Errorf("%+v: %s, %v", slice.ObjectMeta, got, err)
		}
	}
}

// TestListPublished: an address is pending as long as its ExternalBackend tells
// so, and has not been deleted, since nobody tells it anything from then on.
func TestListPublished(t *testing.T) {
	s := &stored{}
	for _, tt := range []struct {
		name, condition string
		status          metav1.ConditionStatus
		deleted         bool
	}{
		{"192.0.2.1", v1alpha1.ConditionReady, metav1.ConditionTrue, false},
		{"192.0.2.2", v1alpha1.ConditionDenyPending, metav1.ConditionFalse, false},
		{"192.0.2.3", v1alpha1.ConditionDenyPending, metav1.ConditionTrue, true},
		{"192.0.2.4", v1alpha1.ConditionDenyPending, metav1.ConditionTrue, false},
	} {
		eb := v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Name: tt.name, UID: types.UID("uid of " + tt.name)}}
		eb.Status.Conditions = []metav1.Condition{{Type: tt.condition, Status: tt.status, LastTransitionTime: metav1.NewTime(begin)}}
		if tt.deleted {
			eb.DeletionTimestamp, eb.Finalizers = new(metav1.NewTime(begin)), []string{"example.com/stays"}
		}
		s.backends = append(s.backends, eb)
		slice := discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{tt.name}}}}
		slice.OwnerReferences = []metav1.OwnerReference{{Kind: "ExternalBackend", UID: eb.UID, Controller: new(true)}}
		s.slices = append(s.slices, slice)
	}
	s.slices = append(s.slices, discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.5"}}}})
	list, err := listPublished(t.Context(), s)
	if err != nil || len(list) != 5 {
		t.Fatal(list, err)
	}
	for _, p := range list {
		if want := p.addr.String() == "192.0.2.4"; p.pending.Equal(begin) != want || p.pending.IsZero() == want {
			t.Errorf("%s is pending since %s", p.addr, p.pending)
		}
	}
}

// BenchmarkNamespace: one namespace comes or goes in a cluster with 10,000 Nodes,
// 10,000 namespaces and 100 policies.
func BenchmarkNamespace(b *testing.B) {
	s := &stored{}
	for i := range 10_000 {
		node := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("n", i)}}
		node.Spec.PodCIDR = fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)
		node.Status.Addresses = []corev1.NodeAddress{{Address: fmt.Sprintf("172.16.%d.%d", i/256, i%256)}}
		s.nodes = append(s.nodes, node)
		s.namespace(fmt.Sprint("n", i), fmt.Sprint(i%100))
	}
	for i := range 100 {
		s.policy(fmt.Sprint("p", i), fmt.Sprint(i), "192.0.2.0/24")
	}
	r := s.reach()
	refresh(b.Context(), b, r)
	var kept *guard.Scope
	b.ReportAllocs()
	for b.Loop() {
		s.namespace("more", "7")
		refresh(b.Context(), b, r)
		s.namespaces = s.namespaces[:len(s.namespaces)-1]
		refresh(b.Context(), b, r)
		if now := r.Scope("n1"); kept != nil && now != kept {
			b.Fatal("another namespace has another scope")
		} else {
			kept = now
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(2*b.N), "ms/refresh")
}
