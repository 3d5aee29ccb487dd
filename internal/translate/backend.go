// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package translate turns API objects into the values that the rest of the
// core works on, and names what in them cannot be acted on.
package translate

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
)

// Kind is the kind of the objects that this package translates.
const Kind = "ExternalBackend"

// Problem is something in an object that cannot be acted on.
type Problem struct {
	// Reason is a constant of the API package.
	Reason string
	// Message names the culprit and what to do about it.
	Message string
}

// Entry is one entry of spec.targets.
type Entry struct {
	Name     string
	Literals []string
}

// Backend is an ExternalBackend as the core sees it.
type Backend struct {
	Owner   target.Owner
	Entries []Entry

	// Ports of its endpoints, with all defaults filled in.
	Ports []discoveryv1.EndpointPort
	// Publishable is true when endpoints can be written at all: some port, or
	// a headless Service that has none (rule 15).
	Publishable bool

	// Checks is nil, with a SpecProblem or a ServiceProblem, when they cannot be
	// carried out. It is empty and not nil for checks of kind none.
	Checks     []*health.Check
	Thresholds health.Thresholds
	// Initial verdict of an address that was never seen before.
	Initial health.Verdict

	// SpecProblem is set when a value of the spec cannot be acted on.
	SpecProblem *Problem
	// ServiceProblem is set when the Service cannot be served, or not on all
	// ports.
	ServiceProblem *Problem
}

// ServiceName returns the name of the Service that an ExternalBackend serves.
func ServiceName(eb *v1alpha1.ExternalBackend) string {
	if name := eb.Spec.Service.Name; name != "" {
		return name
	}
	return eb.Name
}

// ForService translates an ExternalBackend in the light of its Service, which
// is nil if it does not exist. published are the ports that its slices have:
// they go on being checked while the Service has none for it.
func ForService(eb *v1alpha1.ExternalBackend, svc *corev1.Service, published ...discoveryv1.EndpointPort) Backend {
	b := Backend{
		Owner:   target.Owner{Name: eb.Name, UID: string(eb.UID), Created: eb.CreationTimestamp.Time},
		Entries: entries(eb),
		Initial: health.Unknown,
	}
	if eb.Spec.HealthCheck.InitialState == v1alpha1.InitialStateHealthy {
		b.Initial = health.Healthy
	}
	b.ServiceProblem = serviceProblem(ServiceName(eb), svc)
	if svc != nil {
		var portProblem *Problem
		b.Ports, portProblem = ports(eb.Spec.Ports, svc)
		if b.ServiceProblem == nil {
			b.ServiceProblem = portProblem
			b.Publishable = len(b.Ports) > 0 || len(svc.Spec.Ports) == 0 && svc.Spec.ClusterIP == corev1.ClusterIPNone
		}
	}
	b.checks(eb, published)
	return b
}

func entries(eb *v1alpha1.ExternalBackend) []Entry {
	list := make([]Entry, len(eb.Spec.Targets))
	for i, t := range eb.Spec.Targets {
		list[i].Name = t.Name
		if t.IP == nil {
			continue
		}
		list[i].Literals = make([]string, len(t.IP.Addresses))
		for j, address := range t.IP.Addresses {
			list[i].Literals[j] = string(address)
		}
	}
	return list
}

// TargetPorts returns ports in the form in which claims are compared.
func TargetPorts(ports []discoveryv1.EndpointPort) []target.Port {
	list := make([]target.Port, 0, len(ports))
	for _, p := range ports {
		if p.Name != nil && p.Protocol != nil && p.Port != nil {
			list = append(list, target.Port{Name: *p.Name, Protocol: string(*p.Protocol), Number: *p.Port})
		}
	}
	return list
}

// SliceOwner returns the owner as slices name it.
func (b *Backend) SliceOwner() sliceplan.Owner {
	return sliceplan.Owner{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: Kind,
		Name: b.Owner.Name, UID: types.UID(b.Owner.UID),
	}
}
