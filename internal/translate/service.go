// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
)

// Service translates the Service that slices are written for.
func Service(svc *corev1.Service) sliceplan.Service {
	families := make([]discoveryv1.AddressType, 0, 2)
	for _, family := range svc.Spec.IPFamilies {
		families = append(families, discoveryv1.AddressType(family))
	}
	return sliceplan.Service{
		Namespace: svc.Namespace,
		Name:      svc.Name,
		UID:       svc.UID,
		Labels:    svc.Labels,
		Headless:  svc.Spec.ClusterIP == corev1.ClusterIPNone,
		Families:  families,
	}
}

// Servable says whether slices of ours may exist for the Service at all: not
// if Kubernetes writes them from a selector, or nothing reads them.
func Servable(svc *corev1.Service) bool {
	return svc.Spec.Type != corev1.ServiceTypeExternalName && len(svc.Spec.Selector) == 0
}

// Conditions returns what is published for a verdict (rules 33, 34, 37).
func Conditions(verdict health.Verdict, publishNotReady bool) sliceplan.Conditions {
	healthy := verdict == health.Healthy
	return sliceplan.Conditions{Ready: healthy || publishNotReady, Serving: healthy}
}

func serviceProblem(name string, svc *corev1.Service) *Problem {
	switch {
	case svc == nil:
		return &Problem{v1alpha1.ReasonServiceNotFound, fmt.Sprintf(
			"there is no Service %q in this namespace: create it without a selector, or correct spec.service.name", name)}
	case svc.Spec.Type == corev1.ServiceTypeExternalName:
		return &Problem{v1alpha1.ReasonServiceExternalName, fmt.Sprintf(
			"Service %q is of type ExternalName, which sends clients to a DNS name and has no endpoints: change its type to ClusterIP and remove externalName", name)}
	case len(svc.Spec.Selector) > 0:
		return &Problem{v1alpha1.ReasonServiceHasSelector, fmt.Sprintf(
			"Service %q has a selector, so Kubernetes fills it with Pods: remove spec.selector of the Service, or use another Service", name)}
	case svc.DeletionTimestamp != nil:
		return &Problem{v1alpha1.ReasonServiceTerminating, fmt.Sprintf("Service %q is being deleted", name)}
	}
	return nil
}

// ports leads each port of the Service to a port of the targets (rules 11 to
// 18), in the order of the Service. Those that cannot be resolved are left out
// and named in the problem.
func ports(specified []v1alpha1.BackendPort, svc *corev1.Service) ([]discoveryv1.EndpointPort, *Problem) {
	if len(specified) == 0 {
		return defaultPorts(svc)
	}
	var resolved []discoveryv1.EndpointPort
	found := make(map[string]bool, len(specified))
	for i := range svc.Spec.Ports {
		port := &svc.Spec.Ports[i]
		for j := range specified {
			spec := &specified[j]
			if spec.Name == port.Name && protocol(corev1.Protocol(spec.Protocol)) == protocol(port.Protocol) && validPort(spec.Port) {
				found[spec.Name] = true
				resolved = append(resolved, endpointPort(port, spec.Port, spec.AppProtocol))
			}
		}
	}
	var missing []string
	for _, spec := range specified {
		switch {
		case found[spec.Name]:
		case !validPort(spec.Port):
			missing = append(missing, fmt.Sprintf("%q with port %d, which is not between 1 and 65535", spec.Name, spec.Port))
		default:
			missing = append(missing, fmt.Sprintf("%q (%s)", spec.Name, protocol(corev1.Protocol(spec.Protocol))))
		}
	}
	if len(missing) == 0 {
		return resolved, nil
	}
	return resolved, &Problem{v1alpha1.ReasonPortNotFound, fmt.Sprintf(
		"spec.ports names %s, but Service %q has %s: use the name and protocol of a port of the Service",
		strings.Join(missing, ", "), svc.Name, describePorts(svc))}
}

func defaultPorts(svc *corev1.Service) ([]discoveryv1.EndpointPort, *Problem) {
	var resolved []discoveryv1.EndpointPort
	var named []string
	for i := range svc.Spec.Ports {
		port := &svc.Spec.Ports[i]
		if port.TargetPort.Type == intstr.String {
			named = append(named, fmt.Sprintf("%q (targetPort %q)", port.Name, port.TargetPort.StrVal))
			continue
		}
		resolved = append(resolved, endpointPort(port, cmp.Or(port.TargetPort.IntVal, port.Port), nil))
	}
	if len(named) == 0 {
		return resolved, nil
	}
	return resolved, &Problem{v1alpha1.ReasonTargetPortNamed, fmt.Sprintf(
		"Service %q has ports whose targetPort is a name, which means nothing outside the cluster: %s: list them in spec.ports with their number",
		svc.Name, strings.Join(named, ", "))}
}

func endpointPort(port *corev1.ServicePort, number int32, appProtocol *string) discoveryv1.EndpointPort {
	if appProtocol == nil {
		appProtocol = port.AppProtocol
	}
	return discoveryv1.EndpointPort{
		Name: new(port.Name), Protocol: new(protocol(port.Protocol)), Port: new(number), AppProtocol: appProtocol,
	}
}

// validPort holds back what the API server would let through and every
// kube-proxy would choke on (rule 11).
func validPort(number int32) bool { return number >= 1 && number <= 65535 }

func protocol(p corev1.Protocol) corev1.Protocol { return cmp.Or(p, corev1.ProtocolTCP) }

func describePorts(svc *corev1.Service) string {
	if len(svc.Spec.Ports) == 0 {
		return "no ports"
	}
	list := make([]string, len(svc.Spec.Ports))
	for i, p := range svc.Spec.Ports {
		list[i] = fmt.Sprintf("%q (%s)", p.Name, protocol(p.Protocol))
	}
	return strings.Join(list, ", ")
}
