// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
)

// ManagedKeysAnnotation records which labels and annotations of a Service come
// from the template, so that those that leave it can be removed: JSON, lists of
// keys named labels and annotations.
const ManagedKeysAnnotation = "externalbackend.dev/managed-keys"

type managedKeys struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

// IsManaged says whether an ExternalBackend wants its Service to be written.
func IsManaged(eb *v1alpha1.ExternalBackend) bool {
	return eb.Spec.Service.Management == v1alpha1.ServiceManaged
}

// ManagedService returns the Service that an ExternalBackend with management
// Managed should have: a new one, or a copy of live with everything set that
// the spec says and the rest left as it is. The problem names what the API does
// not let a live Service change to; all else is in the result.
func ManagedService(eb *v1alpha1.ExternalBackend, live *corev1.Service, allowed AnnotationRules) (*corev1.Service, *Problem) {
	template := eb.Spec.Service.Template
	if template == nil {
		template = &v1alpha1.ServiceTemplate{}
	}
	svc := live.DeepCopy()
	if svc == nil {
		svc = &corev1.Service{}
		svc.Namespace, svc.Name = eb.Namespace, ServiceName(eb)
		if template.Headless {
			svc.Spec.ClusterIP = corev1.ClusterIPNone
		}
	}
	svc.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: Kind, Name: eb.Name, UID: eb.UID, Controller: new(true),
	}}
	annotations, _ := allowed.split(template.Annotations)
	stampKeys(svc, template.Labels, annotations)
	spec := &svc.Spec
	spec.Type, spec.ExternalName, spec.Selector = corev1.ServiceTypeClusterIP, "", nil
	spec.Ports = servicePorts(eb.Spec.Ports, spec.Ports)
	spec.TrafficDistribution = template.TrafficDistribution
	if policy := template.IPFamilyPolicy; policy != nil {
		spec.IPFamilyPolicy = new(corev1.IPFamilyPolicy(*policy))
	}
	return svc, setFixed(svc, live, template)
}

// setFixed sets what is chosen when a Service is created, and tells what of it
// the API will not change afterwards.
func setFixed(svc, live *corev1.Service, template *v1alpha1.ServiceTemplate) *Problem {
	families := make([]corev1.IPFamily, len(template.IPFamilies))
	for i, f := range template.IPFamilies {
		families[i] = corev1.IPFamily(f)
	}
	if live == nil || live.Spec.Type == corev1.ServiceTypeExternalName {
		if template.Headless {
			svc.Spec.ClusterIP = corev1.ClusterIPNone
		}
		svc.Spec.IPFamilies = families
		return nil
	}
	refused := func(what string) *Problem {
		return &Problem{v1alpha1.ReasonServiceUpdateRefused, fmt.Sprintf(
			"Service %q cannot be changed %s: delete the Service to have it made anew, with other cluster IPs", svc.Name, what)}
	}
	switch headless := live.Spec.ClusterIP == corev1.ClusterIPNone; {
	case template.Headless && !headless:
		return refused("to a headless one")
	case !template.Headless && headless:
		return refused("from a headless one to one with cluster IPs")
	case len(families) > 0 && len(live.Spec.IPFamilies) > 0 && families[0] != live.Spec.IPFamilies[0] && !headless:
		return refused(fmt.Sprintf("from the primary family %s to %s", live.Spec.IPFamilies[0], families[0]))
	case len(families) > 0 && !slices.Equal(families, live.Spec.IPFamilies):
		svc.Spec.IPFamilies = families
		if len(families) < len(svc.Spec.ClusterIPs) {
			svc.Spec.ClusterIPs = svc.Spec.ClusterIPs[:len(families)]
		}
	}
	return nil
}

// servicePorts keeps the order of the spec, and the node port of a port that is
// there already.
func servicePorts(specified []v1alpha1.BackendPort, live []corev1.ServicePort) []corev1.ServicePort {
	var list []corev1.ServicePort
	for _, p := range specified {
		port := corev1.ServicePort{
			Name: p.Name, Protocol: protocol(corev1.Protocol(p.Protocol)), Port: p.Port,
			TargetPort: intstr.FromInt32(p.Port), AppProtocol: p.AppProtocol,
		}
		if p.ServicePort != nil {
			port.Port = *p.ServicePort
		}
		for _, l := range live {
			if l.Port == port.Port && cmp.Or(l.Protocol, corev1.ProtocolTCP) == port.Protocol {
				port.NodePort = l.NodePort
			}
		}
		list = append(list, port)
	}
	return list
}

// stampKeys sets the labels and annotations of the template and removes those
// that were set from it before.
func stampKeys(svc *corev1.Service, labels, annotations map[string]string) {
	var before managedKeys
	// A record that somebody garbled names nothing: nothing is removed then.
	_ = json.Unmarshal([]byte(svc.Annotations[ManagedKeysAnnotation]), &before)
	svc.Labels = merged(svc.Labels, before.Labels, labels)
	svc.Annotations = merged(svc.Annotations, before.Annotations, annotations)
	delete(svc.Annotations, ManagedKeysAnnotation)
	now := managedKeys{slices.Sorted(maps.Keys(labels)), slices.Sorted(maps.Keys(annotations))}
	if len(now.Labels)+len(now.Annotations) > 0 {
		text, err := json.Marshal(now)
		if err == nil { // lists of strings always can be
			svc.Annotations = merged(svc.Annotations, nil, map[string]string{ManagedKeysAnnotation: string(text)})
		}
	}
}

func merged(live map[string]string, remove []string, set map[string]string) map[string]string {
	next := make(map[string]string, len(live)+len(set))
	maps.Copy(next, live)
	for _, key := range remove {
		delete(next, key)
	}
	maps.Copy(next, set)
	if len(next) == 0 {
		return nil
	}
	return next
}

// AnnotationRules are the keys of annotations that a template may have: whole
// keys, or prefixes that end in *.
type AnnotationRules []string

func (rules AnnotationRules) allows(key string) bool {
	return slices.ContainsFunc(rules, func(rule string) bool {
		prefix, isPrefix := strings.CutSuffix(rule, "*")
		return isPrefix && strings.HasPrefix(key, prefix) || key == rule
	})
}

// split returns the annotations that are allowed, and the keys of the others.
func (rules AnnotationRules) split(annotations map[string]string) (allowed map[string]string, denied []string) {
	allowed = make(map[string]string, len(annotations))
	for key, value := range annotations {
		if rules.allows(key) {
			allowed[key] = value
		} else {
			denied = append(denied, key)
		}
	}
	slices.Sort(denied)
	return allowed, denied
}

// Problem names annotations of an ExternalBackend's template that are not
// allowed; nil if all are.
func (rules AnnotationRules) Problem(eb *v1alpha1.ExternalBackend) *Problem {
	if !IsManaged(eb) || eb.Spec.Service.Template == nil {
		return nil
	}
	_, denied := rules.split(eb.Spec.Service.Template.Annotations)
	if len(denied) == 0 {
		return nil
	}
	return &Problem{v1alpha1.ReasonAnnotationDenied, fmt.Sprintf(
		"spec.service.template.annotations has %s, which the operator's administrator does not allow: remove them, or have them added to the flag --managed-service-annotations",
		strings.Join(denied, ", "))}
}

// ReleasedService returns a copy of a Service that the operator created, without
// anything that makes it the operator's.
func ReleasedService(live *corev1.Service) *corev1.Service {
	svc := live.DeepCopy()
	svc.OwnerReferences = nil
	delete(svc.Annotations, ManagedKeysAnnotation)
	return svc
}
