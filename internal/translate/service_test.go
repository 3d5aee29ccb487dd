// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"cmp"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// TestServiceProblems: each names the Service and what to do. None of them is
// blamed on the spec of the ExternalBackend.
func TestServiceProblems(t *testing.T) {
	edited := func(edit func(*corev1.Service)) *corev1.Service {
		svc := service()
		edit(svc)
		return svc
	}
	for _, tt := range []struct {
		name     string
		service  *corev1.Service
		reason   string
		culprits []string
		servable bool
	}{
		{name: "as it should be", service: service(), servable: true},
		{name: "missing", reason: v1alpha1.ReasonServiceNotFound, culprits: []string{`no Service "payments"`, "create it", "spec.service.name"}},
		{
			name: "ExternalName", reason: v1alpha1.ReasonServiceExternalName, culprits: []string{`Service "payments"`, "ExternalName", "ClusterIP"},
			service: edited(func(s *corev1.Service) {
				s.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "legacy.example"}
			}),
		},
		{
			name: "ExternalName with ports", reason: v1alpha1.ReasonServiceExternalName,
			service: edited(func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName }),
		},
		{
			name: "with a selector", reason: v1alpha1.ReasonServiceHasSelector, culprits: []string{`Service "payments"`, "remove spec.selector"},
			service: edited(func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "payments"} }),
		},
		{
			name: "terminating", reason: v1alpha1.ReasonServiceTerminating, culprits: []string{`Service "payments"`, "being deleted"}, servable: true,
			service: edited(func(s *corev1.Service) { s.DeletionTimestamp = new(metav1.Now()) }),
		},
		{
			name: "a selector, and terminating", reason: v1alpha1.ReasonServiceHasSelector,
			service: edited(func(s *corev1.Service) {
				s.Spec.Selector, s.DeletionTimestamp = map[string]string{"a": "b"}, new(metav1.Now())
			}),
		},
		{name: "headless", servable: true, service: edited(func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone })},
		{name: "of type LoadBalancer", servable: true, service: edited(func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeLoadBalancer })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(), tt.service, 0)
			checkProblem(t, b.ServiceProblem, tt.reason, tt.culprits...)
			checkProblem(t, b.SpecProblem, "")
			if b.Publishable != (tt.reason == "") {
				t.Errorf("publishable: %t", b.Publishable)
			}
			if tt.service != nil && translate.Servable(tt.service) != tt.servable {
				t.Errorf("servable: %t", !tt.servable)
			}
		})
	}
}

// TestReservedService: the API server's own is never served, there or not.
func TestReservedService(t *testing.T) {
	eb := backend(func(eb *v1alpha1.ExternalBackend) { eb.Namespace, eb.Spec.Service.Name = "default", "kubernetes" })
	svc := service()
	svc.Namespace, svc.Name = "default", "kubernetes"
	for _, svc := range []*corev1.Service{svc, nil} {
		b := translate.ForService(eb, svc, 0)
		checkProblem(t, b.ServiceProblem, v1alpha1.ReasonServiceReserved, `Service "kubernetes"`, "spec.service.name")
		if b.Publishable {
			t.Error("publishable")
		}
	}
	if translate.Servable(svc) {
		t.Error("servable")
	}
	svc.Namespace = "shop"
	if !translate.Servable(svc) {
		t.Error("a Service of that name elsewhere is like others")
	}
}

func TestServiceName(t *testing.T) {
	if got := translate.ServiceName(backend()); got != "payments" {
		t.Errorf("default: %q, want the name of the object", got)
	}
	named := backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Service.Name = "checkout" })
	if got := translate.ServiceName(named); got != "checkout" {
		t.Errorf("named: %q", got)
	}
	checkProblem(t, translate.ForService(named, nil, 0).ServiceProblem, v1alpha1.ReasonServiceNotFound, `"checkout"`)
}

func TestService(t *testing.T) {
	svc := service()
	svc.Labels = map[string]string{"app": "payments"}
	svc.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}
	svc.Spec.TrafficDistribution = new(corev1.ServiceTrafficDistributionPreferSameZone)
	want := sliceplan.Service{
		Namespace: "shop", Name: "payments", UID: "svc-1", Labels: map[string]string{"app": "payments"},
		Families: []discoveryv1.AddressType{discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeIPv4},

		TrafficDistribution: new("PreferSameZone"),
	}
	if diff := gocmp.Diff(want, translate.Service(svc)); diff != "" {
		t.Errorf("with a cluster IP (-want +got):\n%s", diff)
	}
	svc.Spec.ClusterIP, svc.Spec.IPFamilies = corev1.ClusterIPNone, []corev1.IPFamily{corev1.IPv4Protocol}
	want.Headless, want.Families = true, want.Families[1:]
	if diff := gocmp.Diff(want, translate.Service(svc)); diff != "" {
		t.Errorf("headless (-want +got):\n%s", diff)
	}
}

// Rules 33, 34, 37. An entry that is disabled is out although the Service asks
// for addresses that are not ready.
func TestConditions(t *testing.T) {
	type conditions = sliceplan.Conditions
	for _, tt := range []struct {
		state      v1alpha1.TargetState
		verdict    health.Verdict
		want       conditions
		notReadyOK conditions // with publishNotReadyAddresses
	}{
		{v1alpha1.TargetActive, health.Healthy, conditions{Ready: true, Serving: true}, conditions{Ready: true, Serving: true}},
		{v1alpha1.TargetActive, health.Unhealthy, conditions{}, conditions{Ready: true}},
		{v1alpha1.TargetActive, health.Unknown, conditions{}, conditions{Ready: true}},
		{v1alpha1.TargetDisabled, health.Healthy, conditions{}, conditions{}},
		{v1alpha1.TargetDisabled, health.Unhealthy, conditions{}, conditions{}},
		{v1alpha1.TargetDisabled, health.Unknown, conditions{}, conditions{}},
		{
			v1alpha1.TargetDrain, health.Healthy,
			conditions{Serving: true, Terminating: true},
			conditions{Ready: true, Serving: true, Terminating: true},
		},
		{v1alpha1.TargetDrain, health.Unhealthy, conditions{Terminating: true}, conditions{Ready: true, Terminating: true}},
		{v1alpha1.TargetDrain, health.Unknown, conditions{Terminating: true}, conditions{Ready: true, Terminating: true}},
	} {
		for publishNotReady, want := range map[bool]conditions{false: tt.want, true: tt.notReadyOK} {
			if got := translate.Conditions(tt.verdict, tt.state, publishNotReady); got != want {
				t.Errorf("%s and %s, publishNotReadyAddresses %t: %+v, want %+v", tt.state, tt.verdict, publishNotReady, got, want)
			}
		}
	}
}

// TestServiceWarning: rules 10 and 38.
func TestServiceWarning(t *testing.T) {
	internal := func(policy corev1.ServiceInternalTrafficPolicy) func(*corev1.Service) {
		return func(s *corev1.Service) { s.Spec.InternalTrafficPolicy = &policy }
	}
	external := func(policy corev1.ServiceExternalTrafficPolicy) func(*corev1.Service) {
		return func(s *corev1.Service) {
			s.Spec.Type, s.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, policy
		}
	}
	headless := func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }
	labelled := func(count int) func(*corev1.Service) {
		return func(s *corev1.Service) {
			s.Labels = make(map[string]string)
			for i := range count {
				s.Labels[fmt.Sprint("label-", i)] = ""
			}
		}
	}
	type edits = []func(*corev1.Service)
	for _, tt := range []struct {
		name     string
		edits    edits
		culprits []string
		reason   string // ReasonTrafficPolicyLocal if empty
	}{
		{name: "nothing said"},
		{name: "Cluster", edits: edits{internal("Cluster"), external("Cluster")}},
		{name: "internal", edits: edits{internal("Local"), external("Cluster")}, culprits: []string{" has internalTrafficPolicy: Local", "Cluster"}},
		{name: "external", edits: edits{internal("Cluster"), external("Local")}, culprits: []string{" has externalTrafficPolicy: Local", "Cluster"}},
		{name: "both", edits: edits{internal("Local"), external("Local")}, culprits: []string{"internalTrafficPolicy and externalTrafficPolicy: Local"}},
		{name: "headless, which has no traffic to route", edits: edits{internal("Local"), headless}},
		{name: "as many labels as are mirrored", edits: edits{labelled(sliceplan.MaxLabels)}},
		{
			name: "more labels", edits: edits{labelled(sliceplan.MaxLabels + 1)}, culprits: []string{"has 65 labels", "first 64", "remove labels"},
			reason: v1alpha1.ReasonTooManyLabels,
		},
		{
			name: "a traffic policy and labels", edits: edits{internal("Local"), labelled(100)},
			culprits: []string{"internalTrafficPolicy: Local", "has 100 labels"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc := service()
			for _, edit := range tt.edits {
				edit(svc)
			}
			b := translate.ForService(backend(), svc, 0)
			reason := ""
			if tt.culprits != nil {
				reason = cmp.Or(tt.reason, v1alpha1.ReasonTrafficPolicyLocal)
			}
			checkProblem(t, b.ServiceWarning, reason, append(tt.culprits, `Service "payments"`)...)
			checkProblem(t, b.ServiceProblem, "")
			if !b.Publishable {
				t.Error("a warning stops nothing")
			}
		})
	}
	if got := translate.ForService(backend(), nil, 0).ServiceWarning; got != nil {
		t.Errorf("without a Service: %+v", got)
	}
}

func TestBackend(t *testing.T) {
	eb := backend(func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = []v1alpha1.Target{
			{Name: "rack", IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.1", "2001:db8::1"}}, Zone: "eu-west-1a"},
			{Name: "of a kind that this version does not know", State: v1alpha1.TargetDisabled},
			{Name: "spare", State: v1alpha1.TargetDrain, IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.1"}}},
		}
	})
	b := translate.ForService(eb, service(), 0)
	if want := (target.Owner{Name: "payments", UID: "uid-1", Created: created}); b.Owner != want {
		t.Errorf("owner %+v, want %+v", b.Owner, want)
	}
	entries := []translate.Entry{
		{Name: "rack", Literals: []string{"192.0.2.1", "2001:db8::1"}, State: v1alpha1.TargetActive, Zone: "eu-west-1a"},
		{Name: "of a kind that this version does not know", State: v1alpha1.TargetDisabled},
		{Name: "spare", Literals: []string{"192.0.2.1"}, State: v1alpha1.TargetDrain},
	}
	if diff := gocmp.Diff(entries, b.Entries, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	owner := sliceplan.Owner{APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend", Name: "payments", UID: "uid-1"}
	if got := b.SliceOwner(); got != owner {
		t.Errorf("slice owner %+v, want %+v", got, owner)
	}
}

// TestInitialVerdict: rule 37, an address that was never seen is not ready
// unless the user says so.
func TestInitialVerdict(t *testing.T) {
	for state, want := range map[v1alpha1.InitialState]health.Verdict{
		"": health.Unknown, v1alpha1.InitialStateUnhealthy: health.Unknown, v1alpha1.InitialStateHealthy: health.Healthy,
	} {
		eb := backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.HealthCheck.InitialState = state })
		if got := translate.ForService(eb, service(), 0).Initial; got != want {
			t.Errorf("initialState %q: %s, want %s", state, got, want)
		}
	}
}

func TestTranslationLeavesItsInputAlone(t *testing.T) {
	eb := backend(func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 1080, AppProtocol: new("http")}}
		eb.Spec.HealthCheck.Checks = []v1alpha1.Check{{Name: "http", HTTP: &v1alpha1.HTTPCheck{}, TLS: &v1alpha1.CheckTLS{}}}
	})
	svc := service(servicePort("http", 80, 8080))
	ebBefore, svcBefore := eb.DeepCopy(), svc.DeepCopy()
	translate.ForService(eb, svc, 0)
	translate.Service(svc)
	if diff := gocmp.Diff(ebBefore, eb) + gocmp.Diff(svcBefore, svc); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}
