// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package rack

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
)

// NewService returns a Service without a selector, of both families, whose port
// http (80) leads to the first of Ports.
func NewService(namespace, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			IPFamilyPolicy: new(corev1.IPFamilyPolicyPreferDualStack),
			Ports:          []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(int32(Ports[0]))}},
		},
	}
}

// NewBackend returns an ExternalBackend with an entry for each host, named after
// it, of both its addresses, which are checked every second.
func NewBackend(namespace, name string, hosts ...*Host) *v1alpha1.ExternalBackend {
	backend := &v1alpha1.ExternalBackend{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ExternalBackendSpec{HealthCheck: v1alpha1.HealthCheck{
			Interval: "1s", Timeout: new(v1alpha1.Duration("1s")), EdgeInterval: "1s", HealthyThreshold: 1, UnhealthyThreshold: 2,
			Checks: []v1alpha1.Check{{
				Name: "http", Port: new(intstr.FromInt32(int32(Ports[0]))), HTTP: &v1alpha1.HTTPCheck{Path: "/healthz"},
			}},
		}},
	}
	for _, h := range hosts {
		backend.Spec.Targets = append(backend.Spec.Targets, NewTarget(h.Name, h.Addresses()...))
	}
	return backend
}

// NewTarget returns an entry of spec.targets with IP addresses.
func NewTarget(name string, addrs ...netip.Addr) v1alpha1.Target {
	t := v1alpha1.Target{Name: name, IP: &v1alpha1.IPTarget{}}
	for _, addr := range addrs {
		t.IP.Addresses = append(t.IP.Addresses, v1alpha1.IPAddress(addr.String()))
	}
	return t
}
