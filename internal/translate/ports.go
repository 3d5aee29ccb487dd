// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
)

// portSource is what the ports of an entry are resolved from.
type portSource struct {
	service *corev1.Service
	// usual are those of spec.ports, by name; empty if it is left out.
	usual map[string]v1alpha1.BackendPort
	// own are the ports of the entries that have their own, by entry and name.
	own map[string]map[string]int32
}

// set resolves the ports of the Service by the ports of an entry, else by
// spec.ports, else by a targetPort that is a number.
func (s *portSource) set(own map[string]int32) []discoveryv1.EndpointPort {
	var resolved []discoveryv1.EndpointPort
	for i := range s.service.Spec.Ports {
		port := &s.service.Spec.Ports[i]
		number, appProtocol := cmp.Or(port.TargetPort.IntVal, port.Port), (*string)(nil)
		if port.TargetPort.Type == intstr.String {
			number = 0
		}
		if len(s.usual) > 0 {
			spec := s.usual[port.Name]
			number, appProtocol = spec.Port, spec.AppProtocol
			if protocol(corev1.Protocol(spec.Protocol)) != protocol(port.Protocol) {
				continue
			}
		}
		if override, ok := own[port.Name]; ok {
			number = override
		}
		if validPort(number) {
			resolved = append(resolved, endpointPort(port, number, appProtocol))
		}
	}
	return resolved
}

// ofSRV returns the name of the port that SRV records give the number of, or why
// it cannot be told, in words that follow the name of the entry.
func (s *portSource) ofSRV(name string) (port, flaw string) {
	served := func(p corev1.ServicePort) bool {
		spec, listed := s.usual[p.Name]
		return len(s.usual) == 0 || listed && protocol(corev1.Protocol(spec.Protocol)) == protocol(p.Protocol)
	}
	if name != "" {
		if slices.ContainsFunc(s.service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == name && served(p) }) {
			return name, ""
		}
		return "", fmt.Sprintf(".port names %q", name)
	}
	candidates := slices.DeleteFunc(slices.Clone(s.service.Spec.Ports), func(p corev1.ServicePort) bool { return !served(p) })
	if len(candidates) != 1 {
		return "", " has no port, which says of which one SRV records give the number"
	}
	return candidates[0].Name, ""
}

// SRVPorts returns the index in PortSets of the ports of an address that an SRV
// record of the entry leads to: those of the entry with the number that the
// record gives, 1 to 65535. They are added if there are none like them.
func (b *Backend) SRVPorts(e *Entry, number uint16) int {
	if e.FQDN == nil || e.FQDN.Port == nil || number == 0 {
		return e.Ports
	}
	own := maps.Clone(b.ports.own[e.Name])
	own[*e.FQDN.Port] = int32(number)
	return b.PortSet(b.ports.set(own))
}

// hasPorts says whether some address can have a port.
func (b *Backend) hasPorts() bool {
	return slices.ContainsFunc(b.PortSets, func(set []discoveryv1.EndpointPort) bool { return len(set) > 0 }) ||
		slices.ContainsFunc(b.Entries, func(e Entry) bool { return e.FQDN != nil && e.FQDN.Port != nil })
}

// addPorts returns the index of a set of ports in PortSets, and adds it if it is
// not there.
func (b *Backend) addPorts(ports []discoveryv1.EndpointPort) int {
	var text strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&text, "%q %q %d %t", *p.Name, *p.Protocol, *p.Port, p.AppProtocol != nil)
		if p.AppProtocol != nil {
			fmt.Fprintf(&text, " %q", *p.AppProtocol)
		}
	}
	if i, found := b.setOf[text.String()]; found {
		return i
	}
	if b.setOf == nil {
		b.setOf = make(map[string]int)
	}
	b.PortSets = append(b.PortSets, ports)
	b.setOf[text.String()] = len(b.PortSets) - 1
	return len(b.PortSets) - 1
}

type checksKey struct {
	set      int
	hostname string
}

// ChecksOf returns the checks of targets with a set of ports, an index in
// PortSets, and a name of their own, or "": what they ask for by default. Whoever
// gives a name must have made sure that it may be asked for (guard.Scope.Hostname).
// It is nil if checks cannot be carried out, and the same list for the same target.
func (b *Backend) ChecksOf(set int, hostname string) []*health.Check {
	switch {
	case b.Checks == nil:
		return nil
	case hostname == "":
		return b.Checks[set]
	}
	key := checksKey{set, hostname}
	if list, found := b.named[key]; found {
		return list
	}
	list := slices.Clone(b.Checks[set])
	for i := range list {
		list[i] = list[i].WithHostname(hostname)
	}
	if b.named == nil {
		b.named = make(map[checksKey][]*health.Check)
	}
	b.named[key] = list
	return list
}
