// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// TestManagedFamilies: what the operator asks the API server for when families
// come and go, and what cannot change at all.
func TestManagedFamilies(t *testing.T) {
	type families = []corev1.IPFamily
	for _, tt := range []struct {
		name     string
		from, to func(*v1alpha1.ServiceTemplate)
		headless [2]bool
		policy   corev1.IPFamilyPolicy
		families families
		culprits []string // of what is refused
	}{
		{
			name: "released by policy", from: stacks("RequireDualStack"), to: stacks("SingleStack"),
			policy: "SingleStack", families: families{"IPv4", "IPv6"}, // the API server takes it out, with its cluster IP
		},
		{
			name: "released by families and policy", from: stacks("RequireDualStack", "IPv4", "IPv6"), to: stacks("SingleStack", "IPv4"),
			policy: "SingleStack", families: families{"IPv4"},
		},
		{
			name: "released by families, no policy", from: stacks("PreferDualStack", "IPv6", "IPv4"), to: stacks("", "IPv6"),
			policy: "SingleStack", families: families{"IPv6"},
		},
		{
			name: "not released by families alone", from: stacks("PreferDualStack", "IPv4", "IPv6"), to: stacks("PreferDualStack", "IPv4"),
			policy: "PreferDualStack", families: families{"IPv4", "IPv6"},
		},
		{name: "added by policy", from: stacks("SingleStack"), to: stacks("RequireDualStack"), policy: "RequireDualStack", families: families{"IPv4"}},
		{
			name: "added by families", from: stacks("", "IPv6"), to: stacks("PreferDualStack", "IPv6", "IPv4"),
			policy: "PreferDualStack", families: families{"IPv6", "IPv4"},
		},
		{name: "no longer said", from: stacks("RequireDualStack", "IPv6"), to: stacks(""), policy: "RequireDualStack", families: families{"IPv6", "IPv4"}},
		{
			name: "another primary one", from: stacks("SingleStack", "IPv4"), to: stacks("SingleStack", "IPv6"),
			policy: "SingleStack", families: families{"IPv4"}, culprits: []string{"primary family IPv4 to IPv6"},
		},
		{
			name: "another primary one, and the policy would release the wrong one", from: stacks("RequireDualStack"), to: stacks("SingleStack", "IPv6"),
			policy: "RequireDualStack", families: families{"IPv4", "IPv6"}, culprits: []string{"primary family IPv4 to IPv6"},
		},
		{
			name: "headless: another primary one", headless: [2]bool{true, true}, from: stacks("SingleStack", "IPv4"), to: stacks("SingleStack", "IPv6"),
			policy: "SingleStack", families: families{"IPv6"},
		},
		{
			name: "headless: another primary one of two", headless: [2]bool{true, true}, from: stacks("RequireDualStack"), to: stacks("PreferDualStack", "IPv6"),
			policy: "PreferDualStack", families: families{"IPv6", "IPv4"},
		},
		{
			name: "headless: another primary one, and a second", headless: [2]bool{true, true}, from: stacks("", "IPv4"), to: stacks("RequireDualStack", "IPv6"),
			policy: "RequireDualStack", families: families{"IPv6"},
		},
		{
			name: "to headless, and released", headless: [2]bool{false, true}, from: stacks("RequireDualStack"), to: stacks("SingleStack", "IPv4"),
			policy: "SingleStack", families: families{"IPv4"}, culprits: []string{"to a headless one"},
		},
		{
			name: "from headless, and another primary one", headless: [2]bool{true, false}, from: stacks("", "IPv4"), to: stacks("", "IPv6"),
			policy: "SingleStack", families: families{"IPv6"}, culprits: []string{"from a headless one"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := liveOf(t, managed(tt.from, func(t *v1alpha1.ServiceTemplate) { t.Headless = tt.headless[0] }))
			before := live.DeepCopy()
			eb := managed(tt.to, func(t *v1alpha1.ServiceTemplate) {
				t.Headless, t.Labels = tt.headless[1], map[string]string{"team": "shop"}
			})
			got, problem := translate.ManagedService(eb, live, nil)
			if *got.Spec.IPFamilyPolicy != tt.policy || !slices.Equal(got.Spec.IPFamilies, tt.families) {
				t.Errorf("%s %v, want %s %v", *got.Spec.IPFamilyPolicy, got.Spec.IPFamilies, tt.policy, tt.families)
			}
			if diff := gocmp.Diff(before.Spec.ClusterIPs, got.Spec.ClusterIPs); diff != "" {
				t.Errorf("cluster IPs, which are the API server's (-want +got):\n%s", diff)
			}
			reason := ""
			if tt.culprits != nil {
				reason = v1alpha1.ReasonServiceUpdateRefused
			}
			checkProblem(t, problem, reason, append(tt.culprits, `Service "payments"`, "delete the Service")...)
			if got.Labels["team"] != "shop" {
				t.Error("all else is applied")
			}
		})
	}
}

// TestHeadlessWithoutPorts: a Service with cluster IPs keeps the ports that it
// has, since it must have some.
func TestHeadlessWithoutPorts(t *testing.T) {
	eb := managed(headless)
	eb.Spec.Ports = nil
	if live := liveOf(t, eb); len(live.Spec.Ports) != 0 {
		t.Errorf("ports %v", live.Spec.Ports)
	}
	withPorts := managed(headless)
	if got, problem := translate.ManagedService(eb, liveOf(t, withPorts), nil); problem != nil || len(got.Spec.Ports) != 0 {
		t.Errorf("ports %v, problem %v", got.Spec.Ports, problem)
	}
	got, problem := translate.ManagedService(eb, liveOf(t, managed()), nil)
	checkProblem(t, problem, v1alpha1.ReasonServiceUpdateRefused, "to a headless one")
	if len(got.Spec.Ports) != 1 {
		t.Errorf("ports %v, want the one that it had", got.Spec.Ports)
	}
}

// TestManagedServiceIsSettled: whatever the templates that a Service had one
// after the other and whatever users did to it, once it is as wanted nothing
// more is, and what is not the operator's stays.
func TestManagedServiceIsSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := translate.AnnotationRules{"example.com/*"}
		var live *corev1.Service
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			eb := drawManaged(t)
			if live != nil {
				drawEdits(t, live)
			}
			ebBefore, liveBefore := eb.DeepCopy(), live.DeepCopy()
			wanted, problem := translate.ManagedService(eb, live, rules)
			scribble(wanted)
			wanted, _ = translate.ManagedService(eb, live, rules)
			if diff := gocmp.Diff(ebBefore, eb) + gocmp.Diff(liveBefore, live); diff != "" {
				t.Fatalf("shares memory with what it is made from (-before +after):\n%s", diff)
			}
			checkKeys(t, eb, liveBefore, wanted)
			live = stored(wanted)
			for _, svc := range []*corev1.Service{wanted, live} {
				again, stillProblem := translate.ManagedService(eb, svc, rules)
				if !equality.Semantic.DeepEqual(again, svc) {
					t.Fatalf("more is wanted (-is +wanted):\n%s", gocmp.Diff(svc, again))
				}
				if liveBefore != nil && gocmp.Diff(problem, stillProblem) != "" {
					t.Fatalf("problem %v, then %v", problem, stillProblem)
				}
			}
		}
	})
}

func drawManaged(t *rapid.T) *v1alpha1.ExternalBackend {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"example.com/a", "example.com/b", "c"}), 0, 3, rapid.ID)
	texts := func(label string) map[string]string {
		m := make(map[string]string)
		for _, key := range keys.Draw(t, label) {
			m[key] = rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, label)
		}
		return m
	}
	stacked := rapid.SampledFrom([]func(*v1alpha1.ServiceTemplate){
		stacks(""), stacks("", "IPv6"), stacks("SingleStack"), stacks("SingleStack", "IPv4"), stacks("PreferDualStack", "IPv6"),
		stacks("PreferDualStack"), stacks("RequireDualStack", "IPv4", "IPv6"), stacks("RequireDualStack", "IPv6", "IPv4"),
	}).Draw(t, "families")
	eb := managed(stacked, func(tpl *v1alpha1.ServiceTemplate) {
		tpl.Headless, tpl.Labels, tpl.Annotations = rapid.Bool().Draw(t, "headless"), texts("labels"), texts("annotations")
		tpl.TrafficDistribution = rapid.SampledFrom([]*string{nil, new("PreferSameZone")}).Draw(t, "distribution")
	})
	eb.Spec.Ports[0].AppProtocol = rapid.SampledFrom([]*string{nil, new("https")}).Draw(t, "appProtocol")
	if rapid.Bool().Draw(t, "second port") {
		eb.Spec.Ports = append(eb.Spec.Ports, v1alpha1.BackendPort{Name: "dns", Port: 53, Protocol: v1alpha1.ProtocolUDP})
	}
	return eb
}

// drawEdits is what users do to a Service.
func drawEdits(t *rapid.T, s *corev1.Service) {
	if s.Annotations == nil {
		s.Annotations = make(map[string]string)
	}
	edits := []func(){
		func() { s.Labels = map[string]string{"mine": "label", "c": "mine"} },
		func() { s.Annotations["mine"] = "annotation" },
		func() { s.Annotations[translate.ManagedKeysAnnotation] = `{"labels":["c"],"annotations":3}` },
		func() { s.Spec.Selector = map[string]string{"app": "x"} },
		func() { s.Spec.Type, s.Spec.LoadBalancerSourceRanges = "LoadBalancer", []string{"192.0.2.0/24"} },
		func() {
			s.Spec = corev1.ServiceSpec{Type: "ExternalName", ExternalName: "other.example", Ports: s.Spec.Ports}
		},
		func() { s.OwnerReferences = append(s.OwnerReferences, foreignOwner) },
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(edits)-1), 0, 3, rapid.ID).Draw(t, "edits") {
		edits[i]()
	}
}

// checkKeys compares labels and annotations with what the template says, and
// with what the Service had besides.
func checkKeys(t *rapid.T, eb *v1alpha1.ExternalBackend, live, wanted *corev1.Service) {
	template := eb.Spec.Service.Template
	allowed := maps.Clone(map[string]string(template.Annotations))
	delete(allowed, "c")
	before := &corev1.Service{}
	if live != nil {
		before = live
	}
	var record struct{ Labels, Annotations []string }
	if json.Unmarshal([]byte(before.Annotations[translate.ManagedKeysAnnotation]), &record) != nil {
		record.Labels, record.Annotations = nil, nil
	}
	compare := func(what string, before, template, got map[string]string, recorded []string) {
		want := maps.Clone(before)
		maps.DeleteFunc(want, func(key, _ string) bool {
			return slices.Contains(recorded, key) || key == translate.ManagedKeysAnnotation
		})
		if want == nil {
			want = make(map[string]string)
		}
		maps.Copy(want, template)
		got = maps.Clone(got)
		delete(got, translate.ManagedKeysAnnotation)
		if !maps.Equal(want, got) {
			t.Fatalf("%s %v, want %v", what, got, want)
		}
	}
	compare("labels", before.Labels, template.Labels, wanted.Labels, record.Labels)
	compare("annotations", before.Annotations, allowed, wanted.Annotations, record.Annotations)
}

// scribble writes over all that a decoder would when it reads an answer into
// an object.
func scribble(s *corev1.Service) {
	for key := range s.Labels {
		s.Labels[key] = "scribble"
	}
	for key := range s.Annotations {
		s.Annotations[key] = "scribble"
	}
	for i := range s.Spec.Ports {
		if s.Spec.Ports[i].AppProtocol != nil {
			*s.Spec.Ports[i].AppProtocol = "scribble"
		}
	}
	for i := range s.Spec.IPFamilies {
		s.Spec.IPFamilies[i] = "scribble"
	}
	if s.Spec.IPFamilyPolicy != nil {
		*s.Spec.IPFamilyPolicy = "scribble"
	}
	if s.Spec.TrafficDistribution != nil {
		*s.Spec.TrafficDistribution = "scribble"
	}
	for i := range s.OwnerReferences {
		s.OwnerReferences[i].Name = strings.Repeat("x", i)
	}
}
