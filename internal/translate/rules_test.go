// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/translate"
)

// Rule 33: what somebody has taken out is out, whatever its health.
func TestRule33States(t *testing.T) {
	for _, tt := range []struct {
		state      v1alpha1.TargetState
		verdict    health.Verdict
		notReady   bool
		conditions sliceplan.Conditions
	}{
		{v1alpha1.TargetActive, health.Healthy, false, sliceplan.Conditions{Ready: true, Serving: true}},
		{v1alpha1.TargetActive, health.Unhealthy, false, sliceplan.Conditions{}},
		{v1alpha1.TargetActive, health.Unknown, false, sliceplan.Conditions{}},
		{v1alpha1.TargetActive, health.Unhealthy, true, sliceplan.Conditions{Ready: true}},
		{v1alpha1.TargetDrain, health.Healthy, false, sliceplan.Conditions{Serving: true, Terminating: true}},
		{v1alpha1.TargetDrain, health.Unhealthy, false, sliceplan.Conditions{Terminating: true}},
		{v1alpha1.TargetDrain, health.Unknown, false, sliceplan.Conditions{Terminating: true}},
		{v1alpha1.TargetDrain, health.Unhealthy, true, sliceplan.Conditions{Ready: true, Terminating: true}},
		{v1alpha1.TargetDisabled, health.Healthy, false, sliceplan.Conditions{}},
		{v1alpha1.TargetDisabled, health.Unhealthy, false, sliceplan.Conditions{}},
	} {
		if got := translate.Conditions(tt.verdict, tt.state, tt.notReady); got != tt.conditions {
			t.Errorf("%s, %v, publishNotReadyAddresses %t: %+v, want %+v", tt.state, tt.verdict, tt.notReady, got, tt.conditions)
		}
	}
}

// Rule 13: an entry may serve a port elsewhere than the others do.
func TestRule13PortsOfAnEntry(t *testing.T) {
	eb := backend(func(eb *v1alpha1.ExternalBackend) {
		ip := func() *v1alpha1.IPTarget { return &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.1"}} }
		eb.Spec.Targets = []v1alpha1.Target{
			{Name: "rack", IP: ip()},
			{Name: "cage", IP: ip(), Ports: []v1alpha1.TargetPort{{Name: "http", Port: 9090}}},
			{Name: "alike", IP: ip(), Ports: []v1alpha1.TargetPort{{Name: "http", Port: 8080}}},
		}
	})
	b := translate.ForService(eb, service(servicePort("http", 80, 8080), servicePort("https", 443, 8443)), 0)
	checkProblem(t, b.ServiceProblem, "")
	for i, want := range []string{"http:8080/TCP https:8443/TCP", "http:9090/TCP https:8443/TCP", "http:8080/TCP https:8443/TCP"} {
		if got := portsText(t, b.PortSets[b.Entries[i].Ports]); got != want {
			t.Errorf("ports of %s: %s, want %s", b.Entries[i].Name, got, want)
		}
	}
	if len(b.PortSets) != 2 {
		t.Errorf("%d sets of ports, want one for all that are alike", len(b.PortSets))
	}
}

// Rule 38: targets are on no node, so a policy of Local drops traffic to them.
func TestRule38TrafficPolicyLocal(t *testing.T) {
	local, cluster := corev1.ServiceInternalTrafficPolicyLocal, corev1.ServiceInternalTrafficPolicyCluster
	for _, tt := range []struct {
		name     string
		internal *corev1.ServiceInternalTrafficPolicy
		external corev1.ServiceExternalTrafficPolicy
		culprits []string
	}{
		{"none", nil, "", nil},
		{"cluster", &cluster, corev1.ServiceExternalTrafficPolicyCluster, nil},
		{"internal", &local, "", []string{"internalTrafficPolicy"}},
		{"external", &cluster, corev1.ServiceExternalTrafficPolicyLocal, []string{"externalTrafficPolicy"}},
		{"both", &local, corev1.ServiceExternalTrafficPolicyLocal, []string{"internalTrafficPolicy", "externalTrafficPolicy"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc := service(servicePort("http", 80, 8080))
			svc.Spec.InternalTrafficPolicy, svc.Spec.ExternalTrafficPolicy = tt.internal, tt.external
			b := translate.ForService(backend(), svc, 0)
			checkProblem(t, b.ServiceProblem, "")
			switch {
			case len(tt.culprits) == 0:
				if b.ServiceWarning != nil {
					t.Errorf("warning: %s", b.ServiceWarning.Message)
				}
			case b.ServiceWarning == nil || b.ServiceWarning.Reason != v1alpha1.ReasonTrafficPolicyLocal:
				t.Errorf("warning %v, want one for %v", b.ServiceWarning, tt.culprits)
			default:
				for _, field := range tt.culprits {
					if !strings.Contains(b.ServiceWarning.Message, field) {
						t.Errorf("the warning does not name %s: %s", field, b.ServiceWarning.Message)
					}
				}
			}
			if !b.Publishable {
				t.Error("the Service is not served")
			}
		})
	}
}
