// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// shortUID is enough of a UID to tell apart objects that had the same name.
func shortUID(uid types.UID) string { return string(uid)[:min(8, len(uid))] }

// freeName returns the first name of the family that is not taken: at most
// 63+1+8+1+4+1+5 characters (rule 6).
func (p *packer) freeName(family discoveryv1.AddressType) string {
	for ; ; p.number++ {
		name := fmt.Sprintf("%s-%s-%s-%d", p.backend.Owner.Name, shortUID(p.backend.Owner.UID), strings.ToLower(string(family)), p.number)
		if !p.names[name] {
			p.names[name] = true
			return name
		}
	}
}

// wantedLabels mirrors the labels of the Service except those that have a
// meaning on slices (rules 1, 9, 10).
func (pl *planner) wantedLabels() map[string]string {
	labels := make(map[string]string, min(len(pl.in.Service.Labels), MaxLabels)+3)
	maps.Copy(labels, bounded(pl.in.Service.Labels))
	labels[discoveryv1.LabelServiceName] = pl.in.Service.Name
	labels[discoveryv1.LabelManagedBy] = ManagedBy
	delete(labels, corev1.IsHeadlessService)
	if pl.in.Service.Headless {
		labels[corev1.IsHeadlessService] = ""
	}
	return labels
}

// bounded returns all labels, or MaxLabels of them: the one by which proxies find
// their slices, and the first in the order of their keys.
func bounded(labels map[string]string) map[string]string {
	if len(labels) <= MaxLabels {
		return labels
	}
	keys := slices.SortedFunc(maps.Keys(labels), func(a, b string) int {
		return cmp.Or(compareBool(a != labelServiceProxy, b != labelServiceProxy), strings.Compare(a, b))
	})
	few := make(map[string]string, MaxLabels)
	for _, key := range keys[:MaxLabels] {
		few[key] = labels[key]
	}
	return few
}

// ownerReferences has no blockOwnerDeletion, which would demand a permission
// on finalizers and let a slice hold up the deletion of its owner.
func (p *packer) ownerReferences() []metav1.OwnerReference {
	o := p.backend.Owner
	return []metav1.OwnerReference{{
		APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: o.UID, Controller: new(true),
	}}
}

// reference records which entry an endpoint comes from, in the notation of
// ObjectReference.fieldPath.
func (p *packer) reference(entry string) *corev1.ObjectReference {
	o := p.backend.Owner
	return &corev1.ObjectReference{
		APIVersion: o.APIVersion, Kind: o.Kind, Namespace: p.in.Service.Namespace, Name: o.Name, UID: o.UID,
		FieldPath: "spec.targets{" + entry + "}",
	}
}

func (p *packer) endpoint(e *Endpoint) discoveryv1.Endpoint {
	ref := *p.refs[e.Entry]
	return discoveryv1.Endpoint{
		Addresses:  []string{e.Address},
		Conditions: conditions(e),
		Hostname:   optional(e.Hostname),
		Zone:       optional(e.Zone),
		TargetRef:  &ref,
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func conditions(e *Endpoint) discoveryv1.EndpointConditions {
	return discoveryv1.EndpointConditions{
		Ready: new(e.Conditions.Ready), Serving: new(e.Conditions.Serving), Terminating: new(e.Conditions.Terminating),
	}
}

func sameConditions(live *discoveryv1.Endpoint, want *Endpoint) bool {
	c := live.Conditions
	return is(c.Ready, want.Conditions.Ready) && is(c.Serving, want.Conditions.Serving) && is(c.Terminating, want.Conditions.Terminating)
}

func (p *packer) sameMeta(slice *discoveryv1.EndpointSlice) bool {
	o := p.backend.Owner
	if len(slice.OwnerReferences) != 1 {
		return false
	}
	ref := &slice.OwnerReferences[0]
	return maps.Equal(slice.Labels, p.labels) &&
		slice.Annotations[ServiceUIDAnnotation] == string(p.in.Service.UID) &&
		ref.APIVersion == o.APIVersion && ref.Kind == o.Kind && ref.Name == o.Name && ref.UID == o.UID &&
		isTrue(ref.Controller) && ref.BlockOwnerDeletion == nil
}

// sameEndpoint compares all but the hints of ready endpoints, which depend on
// the other slices.
func (p *packer) sameEndpoint(live *discoveryv1.Endpoint, want *Endpoint) bool {
	return len(live.Addresses) == 1 && sameConditions(live, want) &&
		live.TargetRef != nil && *live.TargetRef == *p.refs[want.Entry] &&
		isText(live.Hostname, want.Hostname) && isText(live.Zone, want.Zone) &&
		live.NodeName == nil && len(live.DeprecatedTopology) == 0 &&
		(live.Hints == nil || want.Conditions.Ready)
}

func isText(live *string, want string) bool {
	return (live != nil) == (want != "") && (live == nil || *live == want)
}

func is(live *bool, want bool) bool { return live != nil && *live == want }

func isTrue(b *bool) bool { return is(b, true) }

// readyOf reads the condition as its consumers do: nil counts as ready.
func readyOf(e *discoveryv1.Endpoint) bool {
	return e.Conditions.Ready == nil || *e.Conditions.Ready
}

func samePorts(live, want []discoveryv1.EndpointPort) bool {
	return slices.EqualFunc(live, want, func(a, b discoveryv1.EndpointPort) bool {
		return samePointer(a.Name, b.Name) && samePointer(a.Protocol, b.Protocol) &&
			samePointer(a.Port, b.Port) && samePointer(a.AppProtocol, b.AppProtocol)
	})
}

// portsKey is the same for the same ports, and for no others.
func portsKey(ports []discoveryv1.EndpointPort) string {
	var key []byte
	for i := range ports {
		p := &ports[i]
		key = appendText(key, p.Name)
		key = appendText(key, p.Protocol)
		key = appendText(key, p.AppProtocol)
		if p.Port != nil {
			key = strconv.AppendInt(key, int64(*p.Port), 10)
		}
		key = append(key, '\n')
	}
	return string(key)
}

func appendText[T ~string](key []byte, text *T) []byte {
	if text != nil {
		key = strconv.AppendQuote(key, string(*text))
	}
	return append(key, ' ')
}

func samePointer[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func clonePorts(ports []discoveryv1.EndpointPort) []discoveryv1.EndpointPort {
	clone := make([]discoveryv1.EndpointPort, len(ports))
	for i := range ports {
		ports[i].DeepCopyInto(&clone[i])
	}
	return clone
}
