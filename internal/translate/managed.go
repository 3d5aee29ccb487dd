// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
)

// IsManaged says whether an ExternalBackend wants its Service to be written.
func IsManaged(eb *v1alpha1.ExternalBackend) bool {
	return eb.Spec.Service.Management == v1alpha1.ServiceManaged
}

// ServiceOwner is the ExternalBackend that manages a Service.
type ServiceOwner struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
}

// OwnerOf returns the ExternalBackend that a Service was made for: its
// controller, or if somebody removed the reference, the recorded one. It is nil
// for a Service that is not the operator's.
func OwnerOf(svc *corev1.Service) *ServiceOwner {
	if svc == nil {
		return nil
	}
	if ref := metav1.GetControllerOfNoCopy(svc); ref != nil {
		if !refersToBackend(ref) {
			return nil
		}
		return &ServiceOwner{ref.Name, ref.UID}
	}
	var recorded managedKeys
	if json.Unmarshal([]byte(svc.Annotations[ManagedKeysAnnotation]), &recorded) != nil || recorded.Owner.UID == "" {
		return nil
	}
	return &recorded.Owner
}

// Owns says whether a Service was made for an ExternalBackend.
func Owns(eb *v1alpha1.ExternalBackend, svc *corev1.Service) bool {
	owner := OwnerOf(svc)
	return owner != nil && owner.UID == eb.UID
}

func refersToBackend(ref *metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(ref.APIVersion, "/")
	return ref.Kind == Kind && group == v1alpha1.GroupVersion.Group
}

// ManagedService returns the Service that an ExternalBackend with management
// Managed should have: a new one, or a copy of live with everything set that
// the spec says and the rest left as it is. The problem names what the API does
// not let a live Service change to; all else is in the result.
func ManagedService(eb *v1alpha1.ExternalBackend, live *corev1.Service, allowed AnnotationRules) (*corev1.Service, *Problem) {
	template := eb.Spec.Service.Template.DeepCopy()
	if template == nil {
		template = &v1alpha1.ServiceTemplate{}
	}
	svc := live.DeepCopy()
	if svc == nil {
		svc = &corev1.Service{}
		svc.Namespace, svc.Name = eb.Namespace, ServiceName(eb)
	}
	svc.OwnerReferences = withController(svc.OwnerReferences, eb)
	annotations, _ := allowed.split(template.Annotations)
	delete(svc.Annotations, corev1.AnnotationLoadBalancerSourceRangesKey)
	stampKeys(svc, ServiceOwner{eb.Name, eb.UID}, template.Labels, annotations)
	spec := &svc.Spec
	// What only another type may have and the API server does not drop by itself
	// goes with the type: source ranges, external name, node ports.
	spec.Type, spec.LoadBalancerSourceRanges, spec.ExternalName = corev1.ServiceTypeClusterIP, nil, ""
	spec.Selector = nil
	spec.TrafficDistribution = template.TrafficDistribution
	if template.Headless && (live == nil || live.Spec.Type == corev1.ServiceTypeExternalName) {
		spec.ClusterIP = corev1.ClusterIPNone
	}
	headless := IsHeadless(svc)
	if headless || len(eb.Spec.Ports) > 0 { // one with cluster IPs must have ports
		spec.Ports = servicePorts(eb.Spec.Ports)
	}
	moved := setFamilies(spec, headless, template)
	switch {
	case template.Headless && !headless:
		return svc, refused(svc, "to a headless one")
	case !template.Headless && headless:
		return svc, refused(svc, "from a headless one to one with cluster IPs")
	case moved:
		return svc, refused(svc, fmt.Sprintf("from the primary family %s to %s", spec.IPFamilies[0], template.IPFamilies[0]))
	}
	return svc, nil
}

func refused(svc *corev1.Service, what string) *Problem {
	return &Problem{v1alpha1.ReasonServiceUpdateRefused, fmt.Sprintf(
		"Service %q cannot be changed %s: delete the Service to have it made anew, with other cluster IPs", svc.Name, what)}
}

// withController adds the reference by which a Service is an ExternalBackend's,
// or restores it. Other owners stay.
func withController(owners []metav1.OwnerReference, eb *v1alpha1.ExternalBackend) []metav1.OwnerReference {
	own := metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: Kind, Name: eb.Name, UID: eb.UID, Controller: new(true),
	}
	if i := slices.IndexFunc(owners, func(o metav1.OwnerReference) bool { return o.UID == eb.UID }); i >= 0 {
		owners[i] = own
		return owners
	}
	return append(owners, own)
}

// setFamilies sets the families and how many there are. The primary one of a
// Service with cluster IPs cannot change: moved says whether the template wants
// it to. Nothing is set then, since the policy alone would release the wrong
// family.
//
// A second family comes and goes with the policy: the API server adds it with
// its cluster IP, releases both for SingleStack, and refuses to have the family
// or the address taken out under any other policy.
func setFamilies(spec *corev1.ServiceSpec, headless bool, template *v1alpha1.ServiceTemplate) (moved bool) {
	families := template.IPFamilies
	if !headless && len(families) > 0 && len(spec.IPFamilies) > 0 && corev1.IPFamily(families[0]) != spec.IPFamilies[0] {
		return true
	}
	policy := (*corev1.IPFamilyPolicy)(template.IPFamilyPolicy)
	if policy == nil && len(families) == 1 {
		policy = new(corev1.IPFamilyPolicySingleStack)
	}
	if policy != nil {
		spec.IPFamilyPolicy = policy
	}
	single := policy != nil && *policy == corev1.IPFamilyPolicySingleStack
	switch {
	case len(families) == 2:
		spec.IPFamilies = []corev1.IPFamily{corev1.IPFamily(families[0]), corev1.IPFamily(families[1])}
	case len(families) == 1 && (single || len(spec.IPFamilies) < 2):
		spec.IPFamilies = []corev1.IPFamily{corev1.IPFamily(families[0])}
	case len(families) == 1 && corev1.IPFamily(families[0]) != spec.IPFamilies[0]:
		slices.Reverse(spec.IPFamilies)
	}
	return false
}

// servicePorts keeps the order of the spec.
func servicePorts(specified []v1alpha1.BackendPort) []corev1.ServicePort {
	var list []corev1.ServicePort
	for i := range specified {
		p := specified[i].DeepCopy()
		port := corev1.ServicePort{
			Name: p.Name, Protocol: protocol(corev1.Protocol(p.Protocol)), Port: p.Port,
			TargetPort: intstr.FromInt32(p.Port), AppProtocol: p.AppProtocol,
		}
		if p.ServicePort != nil {
			port.Port = *p.ServicePort
		}
		list = append(list, port)
	}
	return list
}

// ReleasedService returns a copy of a Service that the operator created, without
// anything that makes it the operator's.
func ReleasedService(live *corev1.Service) *corev1.Service {
	svc := live.DeepCopy()
	svc.OwnerReferences = slices.DeleteFunc(svc.OwnerReferences, func(o metav1.OwnerReference) bool {
		return refersToBackend(&o) && o.Controller != nil && *o.Controller
	})
	delete(svc.Annotations, ManagedKeysAnnotation)
	return svc
}
