// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
		Headless:  IsHeadless(svc),
		Families:  families,

		TrafficDistribution: svc.Spec.TrafficDistribution,
	}
}

// IsHeadless says whether a Service has no cluster IP.
func IsHeadless(svc *corev1.Service) bool { return svc.Spec.ClusterIP == corev1.ClusterIPNone }

// Servable says whether slices of ours may exist for the Service at all: not
// if Kubernetes writes them from a selector, nothing reads them, or it is
// reserved.
func Servable(svc *corev1.Service) bool {
	return svc.Spec.Type != corev1.ServiceTypeExternalName && len(svc.Spec.Selector) == 0 && !IsReserved(svc.Namespace, svc.Name)
}

// IsReserved says whether a Service is the one by which everything in the cluster
// reaches the API server: who serves it may pose as that.
func IsReserved(namespace, name string) bool {
	return namespace == metav1.NamespaceDefault && name == "kubernetes"
}

// Conditions returns what is published for a verdict (rules 33, 34, 37). An
// entry that is disabled is out whatever the Service says of unready addresses.
func Conditions(verdict health.Verdict, state v1alpha1.TargetState, publishNotReady bool) sliceplan.Conditions {
	healthy := verdict == health.Healthy
	switch state {
	case v1alpha1.TargetDisabled:
		return sliceplan.Conditions{}
	case v1alpha1.TargetDrain:
		return sliceplan.Conditions{Ready: publishNotReady, Serving: healthy, Terminating: true}
	default:
		return sliceplan.Conditions{Ready: healthy || publishNotReady, Serving: healthy}
	}
}

// serviceWarning tells what of a Service has not the effect that one would expect.
func serviceWarning(svc *corev1.Service) *Problem {
	warning := policyWarning(svc)
	switch labels := labelWarning(svc); {
	case warning == nil:
		return labels
	case labels != nil:
		warning.Message += "; " + labels.Message
	}
	return warning
}

// labelWarning tells that slices have not all labels of the Service (rule 10).
func labelWarning(svc *corev1.Service) *Problem {
	if len(svc.Labels) <= sliceplan.MaxLabels {
		return nil
	}
	return &Problem{v1alpha1.ReasonTooManyLabels, fmt.Sprintf(
		"Service %q has %d labels, and its EndpointSlices have the first %d of them only, in the order of their keys: remove labels from it",
		svc.Name, len(svc.Labels), sliceplan.MaxLabels)}
}

// policyWarning tells of traffic policies under which nodes send traffic only
// to endpoints on themselves, which targets outside the cluster never are
// (rule 38).
func policyWarning(svc *corev1.Service) *Problem {
	var fields []string
	if p := svc.Spec.InternalTrafficPolicy; p != nil && *p == corev1.ServiceInternalTrafficPolicyLocal && !IsHeadless(svc) {
		fields = append(fields, "internalTrafficPolicy")
	}
	if svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		fields = append(fields, "externalTrafficPolicy")
	}
	if len(fields) == 0 {
		return nil
	}
	return &Problem{v1alpha1.ReasonTrafficPolicyLocal, fmt.Sprintf(
		"Service %q has %s: Local, with which nodes drop traffic to addresses outside the cluster: set it to Cluster",
		svc.Name, strings.Join(fields, " and "))}
}

func serviceProblem(namespace, name string, svc *corev1.Service) *Problem {
	switch {
	case IsReserved(namespace, name):
		return &Problem{v1alpha1.ReasonServiceReserved, fmt.Sprintf(
			"Service %q in namespace %s is the API server's own, and nothing else is ever published there: correct spec.service.name", name, namespace)}
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

// resolvePorts leads each port of the Service to a port of the targets (rules 11
// to 18), in the order of the Service, for entries without ports of their own
// and for each that has some. Ports that cannot be resolved are left out and
// named in the problem.
func (b *Backend) resolvePorts(eb *v1alpha1.ExternalBackend, svc *corev1.Service) *Problem {
	usual := make(map[string]v1alpha1.BackendPort, len(eb.Spec.Ports))
	for _, p := range eb.Spec.Ports {
		usual[p.Name] = p
	}
	b.ports = portSource{svc, usual, make(map[string]map[string]int32)}
	b.addPorts(b.ports.set(nil))
	named := namedPorts(svc, usual)
	resolvedEverywhere := make(map[string]int, len(named))
	var unknown []string
	for i, t := range eb.Spec.Targets {
		e := &b.Entries[i]
		own := make(map[string]int32, len(t.Ports)+1)
		for _, p := range t.Ports {
			if flaw, ok := flawOf(p, svc, usual); ok {
				unknown = append(unknown, fmt.Sprintf("spec.targets[%s].ports names %q%s", t.Name, p.Name, flaw))
				continue
			}
			own[p.Name] = p.Port
			resolvedEverywhere[p.Name]++
		}
		b.ports.own[t.Name] = own
		if len(own) > 0 {
			e.Ports = b.addPorts(b.ports.set(own))
		}
		if isSRV(e) && len(svc.Spec.Ports) > 0 {
			port, flaw := b.ports.ofSRV(t.FQDN.Port)
			if flaw != "" {
				unknown = append(unknown, fmt.Sprintf("spec.targets[%s].fqdn%s", t.Name, flaw))
				e.Ports = b.addPorts(nil)
				continue
			}
			e.FQDN.Port = &port
			if _, again := own[port]; !again {
				resolvedEverywhere[port]++
			}
		}
	}
	named = slices.DeleteFunc(named, func(p *corev1.ServicePort) bool { return resolvedEverywhere[p.Name] == len(eb.Spec.Targets) })
	return portProblem(eb.Spec.Ports, svc, named, unknown)
}

// flawOf says why a port of an entry cannot be published, in words that follow
// its name.
func flawOf(p v1alpha1.TargetPort, svc *corev1.Service, usual map[string]v1alpha1.BackendPort) (flaw string, found bool) {
	_, listed := usual[p.Name]
	switch {
	case !validPort(p.Port):
		return fmt.Sprintf(" with port %d, which is not between 1 and 65535", p.Port), true
	case len(usual) > 0 && !listed:
		return ", which spec.ports does not list", true
	}
	return "", !slices.ContainsFunc(svc.Spec.Ports, func(port corev1.ServicePort) bool { return port.Name == p.Name })
}

// namedPorts are those that a targetPort leads to by a name, which only the
// spec can resolve.
func namedPorts(svc *corev1.Service, usual map[string]v1alpha1.BackendPort) []*corev1.ServicePort {
	var named []*corev1.ServicePort
	for i := range svc.Spec.Ports {
		if port := &svc.Spec.Ports[i]; port.TargetPort.Type == intstr.String && len(usual) == 0 {
			named = append(named, port)
		}
	}
	return named
}

func portProblem(specified []v1alpha1.BackendPort, svc *corev1.Service, named []*corev1.ServicePort, unknown []string) *Problem {
	for _, spec := range specified {
		matches := func(p corev1.ServicePort) bool {
			return p.Name == spec.Name && protocol(p.Protocol) == protocol(corev1.Protocol(spec.Protocol))
		}
		switch {
		case !validPort(spec.Port):
			unknown = append(unknown, fmt.Sprintf("spec.ports names %q with port %d, which is not between 1 and 65535", spec.Name, spec.Port))
		case !slices.ContainsFunc(svc.Spec.Ports, matches):
			unknown = append(unknown, fmt.Sprintf("spec.ports names %q (%s)", spec.Name, protocol(corev1.Protocol(spec.Protocol))))
		}
	}
	if len(unknown) > 0 {
		return &Problem{v1alpha1.ReasonPortNotFound, fmt.Sprintf(
			"%s, but Service %q has %s: use the name and protocol of a port of the Service",
			strings.Join(unknown, ", "), svc.Name, describePorts(svc))}
	}
	if len(named) > 0 {
		var texts []string
		for _, p := range named {
			texts = append(texts, fmt.Sprintf("%q (targetPort %q)", p.Name, p.TargetPort.StrVal))
		}
		return &Problem{v1alpha1.ReasonTargetPortNamed, fmt.Sprintf(
			"Service %q has ports whose targetPort is a name, which means nothing outside the cluster: %s: list them in spec.ports with their number",
			svc.Name, strings.Join(texts, ", "))}
	}
	return nil
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
