// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// managed is an ExternalBackend with a Service of its own: port 80 to 8080.
func managed(edits ...func(*v1alpha1.ServiceTemplate)) *v1alpha1.ExternalBackend {
	return backend(func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Service.Management = v1alpha1.ServiceManaged
		eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 8080, ServicePort: new(int32(80))}}
		for _, edit := range edits {
			if eb.Spec.Service.Template == nil {
				eb.Spec.Service.Template = &v1alpha1.ServiceTemplate{}
			}
			edit(eb.Spec.Service.Template)
		}
	})
}

func headless(t *v1alpha1.ServiceTemplate) { t.Headless = true }

func stacks(policy corev1.IPFamilyPolicy, families ...v1alpha1.IPFamily) func(*v1alpha1.ServiceTemplate) {
	return func(t *v1alpha1.ServiceTemplate) {
		t.IPFamilies, t.IPFamilyPolicy = families, nil
		if policy != "" {
			t.IPFamilyPolicy = new(string(policy))
		}
	}
}

// stored is what an API server with both families makes of a Service.
func stored(svc *corev1.Service) *corev1.Service {
	svc = svc.DeepCopy()
	svc.UID, svc.ResourceVersion = "svc-1", "1"
	spec := &svc.Spec
	spec.SessionAffinity = corev1.ServiceAffinityNone
	if spec.InternalTrafficPolicy == nil {
		spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.IPFamilyPolicy == nil {
		spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
		if translate.IsHeadless(svc) {
			spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
		}
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	}
	switch other := map[corev1.IPFamily]corev1.IPFamily{"IPv4": "IPv6", "IPv6": "IPv4"}[spec.IPFamilies[0]]; {
	case *spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack:
		spec.IPFamilies = spec.IPFamilies[:1]
	case len(spec.IPFamilies) == 1:
		spec.IPFamilies = append(spec.IPFamilies, other)
	}
	spec.ClusterIPs = []string{corev1.ClusterIPNone}
	if !translate.IsHeadless(svc) {
		spec.ClusterIPs = nil
		for _, family := range spec.IPFamilies {
			spec.ClusterIPs = append(spec.ClusterIPs, map[corev1.IPFamily]string{"IPv4": "10.96.0.9", "IPv6": "fd00::9"}[family])
		}
		spec.ClusterIP = spec.ClusterIPs[0]
	}
	return svc
}

// liveOf is the Service of an ExternalBackend as it was created.
func liveOf(t *testing.T, eb *v1alpha1.ExternalBackend) *corev1.Service {
	t.Helper()
	svc, problem := translate.ManagedService(eb, nil, translate.AnnotationRules{"example.com/*"})
	checkProblem(t, problem, "")
	return stored(svc)
}

func TestNewManagedService(t *testing.T) {
	ownerOf := []metav1.OwnerReference{{
		APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend", Name: "payments", UID: "uid-1", Controller: new(true),
	}}
	port := corev1.ServicePort{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt32(8080)}
	for _, tt := range []struct {
		name string
		eb   *v1alpha1.ExternalBackend
		want corev1.ServiceSpec
	}{
		{name: "no template", eb: managed(), want: corev1.ServiceSpec{Type: "ClusterIP", Ports: []corev1.ServicePort{port}}},
		{
			name: "headless", eb: managed(headless),
			want: corev1.ServiceSpec{Type: "ClusterIP", ClusterIP: "None", Ports: []corev1.ServicePort{port}},
		},
		{
			name: "a policy", eb: managed(stacks("PreferDualStack")),
			want: corev1.ServiceSpec{Type: "ClusterIP", IPFamilyPolicy: new(corev1.IPFamilyPolicyPreferDualStack), Ports: []corev1.ServicePort{port}},
		},
		{name: "one family, which is all there is to be", eb: managed(stacks("", "IPv6")), want: corev1.ServiceSpec{
			Type: "ClusterIP", IPFamilyPolicy: new(corev1.IPFamilyPolicySingleStack), IPFamilies: []corev1.IPFamily{"IPv6"}, Ports: []corev1.ServicePort{port},
		}},
		{name: "two families", eb: managed(stacks("RequireDualStack", "IPv6", "IPv4")), want: corev1.ServiceSpec{
			Type: "ClusterIP", IPFamilyPolicy: new(corev1.IPFamilyPolicyRequireDualStack), IPFamilies: []corev1.IPFamily{"IPv6", "IPv4"},
			Ports: []corev1.ServicePort{port},
		}},
		{
			name: "traffic distribution", eb: managed(func(t *v1alpha1.ServiceTemplate) { t.TrafficDistribution = new("PreferSameZone") }),
			want: corev1.ServiceSpec{Type: "ClusterIP", TrafficDistribution: new("PreferSameZone"), Ports: []corev1.ServicePort{port}},
		},
		{
			name: "ports", want: corev1.ServiceSpec{Type: "ClusterIP", Ports: []corev1.ServicePort{
				{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53, TargetPort: intstr.FromInt32(53)},
				{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt32(8080), AppProtocol: new("kubernetes.io/h2c")},
			}},
			eb: backend(func(eb *v1alpha1.ExternalBackend) {
				eb.Spec.Ports = []v1alpha1.BackendPort{
					{Name: "dns", Port: 53, Protocol: v1alpha1.ProtocolUDP}, {Name: "http", Port: 8080, ServicePort: new(int32(80)), AppProtocol: new("kubernetes.io/h2c")},
				}
			}),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc, problem := translate.ManagedService(tt.eb, nil, nil)
			checkProblem(t, problem, "")
			want := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "payments", OwnerReferences: ownerOf,
				Annotations: map[string]string{translate.ManagedKeysAnnotation: `{"owner":{"name":"payments","uid":"uid-1"}}`},
			}, Spec: tt.want}
			if diff := gocmp.Diff(want, svc); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEditedManagedService: edits that the operator undoes, and those that it
// leaves alone. What the API server makes of each is in test/api.
func TestEditedManagedService(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*corev1.Service)
		kept bool
	}{
		"selector":             {edit: func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "other"} }},
		"traffic distribution": {edit: func(s *corev1.Service) { s.Spec.TrafficDistribution = new("PreferClose") }},
		"target port":          {edit: func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromString("web") }},
		"app protocol":         {edit: func(s *corev1.Service) { s.Spec.Ports[0].AppProtocol = new("http") }},
		"a port more": {edit: func(s *corev1.Service) {
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "more", Port: 1})
		}},
		"no ports":     {edit: func(s *corev1.Service) { s.Spec.Ports = nil }},
		"single-stack": {edit: func(s *corev1.Service) { s.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack) }},
		"NodePort": {edit: func(s *corev1.Service) {
			s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 30080
		}},
		"LoadBalancer": {edit: func(s *corev1.Service) {
			s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeLoadBalancer, 30080
			s.Spec.LoadBalancerSourceRanges = []string{"192.0.2.0/24"}
			s.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey] = "192.0.2.0/24"
		}},
		"external name":          {edit: func(s *corev1.Service) { s.Spec.ExternalName = "other.example" }},
		"label changed":          {edit: func(s *corev1.Service) { s.Labels["team"] = "other" }},
		"label removed":          {edit: func(s *corev1.Service) { s.Labels = nil }},
		"annotation changed":     {edit: func(s *corev1.Service) { s.Annotations["example.com/scrape"] = "no" }},
		"annotations removed":    {edit: func(s *corev1.Service) { s.Annotations = nil }},
		"record garbled":         {edit: func(s *corev1.Service) { s.Annotations[translate.ManagedKeysAnnotation] = "team" }},
		"owner removed":          {edit: func(s *corev1.Service) { s.OwnerReferences = nil }},
		"owner's name":           {edit: func(s *corev1.Service) { s.OwnerReferences[0].Name = "other" }},
		"owner blocks":           {edit: func(s *corev1.Service) { s.OwnerReferences[0].BlockOwnerDeletion = new(true) }},
		"foreign label":          {kept: true, edit: func(s *corev1.Service) { s.Labels["mine"] = "yes" }},
		"foreign annotation":     {kept: true, edit: func(s *corev1.Service) { s.Annotations["example.com/mine"] = "yes" }},
		"foreign finalizer":      {kept: true, edit: func(s *corev1.Service) { s.Finalizers = []string{"example.com/lb"} }},
		"session affinity":       {kept: true, edit: func(s *corev1.Service) { s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP }},
		"traffic policy":         {kept: true, edit: func(s *corev1.Service) { s.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal) }},
		"not ready addresses":    {kept: true, edit: func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true }},
		"external addresses":     {kept: true, edit: func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"192.0.2.9"} }},
		"status":                 {kept: true, edit: func(s *corev1.Service) { s.Status.Conditions = []metav1.Condition{{Type: "X"}} }},
		"another owner, not its": {kept: true, edit: func(s *corev1.Service) { s.OwnerReferences = append(s.OwnerReferences, foreignOwner) }},
		"another owner before": {kept: true, edit: func(s *corev1.Service) {
			s.OwnerReferences = append([]metav1.OwnerReference{foreignOwner}, s.OwnerReferences...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eb := managed(stacks("RequireDualStack"), func(t *v1alpha1.ServiceTemplate) {
				t.Labels, t.Annotations = map[string]string{"team": "shop"}, map[string]string{"example.com/scrape": "yes"}
			})
			want := liveOf(t, eb)
			live := want.DeepCopy()
			tt.edit(live)
			if tt.kept {
				want = live.DeepCopy()
			}
			got, problem := translate.ManagedService(eb, live, translate.AnnotationRules{"example.com/*"})
			checkProblem(t, problem, "")
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var foreignOwner = metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "release", UID: "uid-9"}

// TestReleasedService: what was the operator's is left to the user as it is.
func TestReleasedService(t *testing.T) {
	eb := managed(func(t *v1alpha1.ServiceTemplate) { t.Labels = map[string]string{"team": "shop"} })
	live := liveOf(t, eb)
	other := foreignOwner
	other.APIVersion, other.Kind = v1alpha1.GroupVersion.String(), translate.Kind // refers to one, and is not controlled by it
	live.OwnerReferences = append([]metav1.OwnerReference{foreignOwner, other}, live.OwnerReferences...)
	live.Annotations["mine"] = "yes"
	want := live.DeepCopy()
	want.OwnerReferences, want.Annotations = want.OwnerReferences[:2], map[string]string{"mine": "yes"}
	before := live.DeepCopy()
	if diff := gocmp.Diff(want, translate.ReleasedService(live)) + gocmp.Diff(before, live); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	bare := service()
	if diff := gocmp.Diff(bare, translate.ReleasedService(bare)); diff != "" {
		t.Errorf("one that was never managed (-want +got):\n%s", diff)
	}
}

// TestOwnerOf: a Service is the operator's if an ExternalBackend controls it, or
// did and nobody else does.
func TestOwnerOf(t *testing.T) {
	eb := managed()
	own := &translate.ServiceOwner{Name: "payments", UID: "uid-1"}
	controlled := func(version, kind string, controller bool) func(*corev1.Service) {
		return func(s *corev1.Service) {
			s.OwnerReferences = []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: "other", UID: "uid-9", Controller: new(controller)}}
		}
	}
	for name, tt := range map[string]struct {
		edit func(*corev1.Service)
		want *translate.ServiceOwner
	}{
		"as it was made":                          {edit: func(*corev1.Service) {}, want: own},
		"without record":                          {edit: func(s *corev1.Service) { s.Annotations = nil }, want: own},
		"without reference":                       {edit: func(s *corev1.Service) { s.OwnerReferences = nil }, want: own},
		"with another owner, not a controller":    {edit: controlled("v1", "ConfigMap", false), want: own},
		"with neither":                            {edit: func(s *corev1.Service) { s.OwnerReferences, s.Annotations = nil, nil }},
		"without reference, and a garbled record": {edit: func(s *corev1.Service) { s.OwnerReferences, s.Annotations[translate.ManagedKeysAnnotation] = nil, "{" }},
		"without reference, and an empty record":  {edit: func(s *corev1.Service) { s.OwnerReferences, s.Annotations[translate.ManagedKeysAnnotation] = nil, "{}" }},
		"of another kind":                         {edit: controlled("v1", "ConfigMap", true)},
		"of another group":                        {edit: controlled("example.com/v1", translate.Kind, true)},
		"of another one": {
			edit: controlled(v1alpha1.GroupVersion.String(), translate.Kind, true), want: &translate.ServiceOwner{Name: "other", UID: "uid-9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			svc := liveOf(t, eb)
			tt.edit(svc)
			got := translate.OwnerOf(svc)
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if owns := got != nil && got.UID == eb.UID; translate.Owns(eb, svc) != owns {
				t.Errorf("owns it: %t", !owns)
			}
		})
	}
	if translate.OwnerOf(nil) != nil || translate.Owns(eb, nil) || translate.Owns(eb, service()) {
		t.Error("nobody owns what does not exist or was not made")
	}
}

func TestIsManaged(t *testing.T) {
	if !translate.IsManaged(managed()) || translate.IsManaged(backend()) ||
		translate.IsManaged(backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Service.Management = v1alpha1.ServiceReferenced })) {
		t.Error("only management: Managed is")
	}
}
