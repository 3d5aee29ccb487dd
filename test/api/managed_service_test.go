// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// What the operator wants of a Service that it manages must be what the API
// server accepts, and what comes back must leave nothing to be wanted: else the
// Service is written for ever.
var _ = Describe("a managed Service", func() {
	for _, from := range managedShapes {
		It("that is "+from.String()+" can become any other", func(ctx SpecContext) {
			for _, to := range managedShapes {
				live := createManaged(ctx, from)
				wanted, problem := translate.ManagedService(to.backend(), live, nil)
				Expect(api.Update(ctx, wanted)).To(Succeed(), "to %s", to)
				again := expectSettled(ctx, to, problem)
				moves := !translate.IsHeadless(live) && len(to.families) > 0 && string(to.families[0]) != string(live.Spec.IPFamilies[0])
				if moves || translate.IsHeadless(live) != to.headless {
					Expect(problem).To(HaveField("Reason", v1alpha1.ReasonServiceUpdateRefused), "to %s", to)
				} else {
					Expect(problem).To(BeNil(), "to %s", to)
				}
				if moves {
					Expect(again.Spec.ClusterIPs).To(Equal(live.Spec.ClusterIPs), "to %s", to)
				} else {
					expectFamilies(again, to)
				}
				Expect(api.Delete(ctx, again)).To(Succeed())
			}
		})
	}

	DescribeTable("that a user edits is restored",
		func(ctx SpecContext, shape managedShape, edit func(*corev1.Service), kept func(*corev1.Service)) {
			live := createManaged(ctx, shape)
			original := live.DeepCopy()
			edit(live)
			Expect(api.Update(ctx, live)).To(Succeed(), "the user's edit")
			wanted, problem := translate.ManagedService(shape.backend(), live, nil)
			Expect(problem).To(BeNil())
			Expect(api.Update(ctx, wanted)).To(Succeed())
			restored := expectSettled(ctx, shape, nil)
			expectFamilies(restored, shape)
			if kept != nil {
				kept(original)
			}
			original.Spec.ClusterIP, original.Spec.ClusterIPs = restored.Spec.ClusterIP, restored.Spec.ClusterIPs
			if len(shape.families) == 0 && shape.policy == "" {
				original.Spec.IPFamilies, original.Spec.IPFamilyPolicy = restored.Spec.IPFamilies, restored.Spec.IPFamilyPolicy
			}
			Expect(restored.Spec).To(BeEquivalentTo(original.Spec))
			Expect(restored.Labels).To(Equal(original.Labels))
		},
		Entry("selector", bare, func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "other"} }, nil),
		Entry("type NodePort", bare, func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }, nil),
		Entry("type LoadBalancer", bare, func(s *corev1.Service) {
			s.Spec.Type, s.Spec.LoadBalancerClass = corev1.ServiceTypeLoadBalancer, new("example.com/class")
			s.Spec.LoadBalancerSourceRanges = []string{"192.0.2.0/24"}
			s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		}, nil),
		Entry("type LoadBalancer with ranges as annotation", bare, func(s *corev1.Service) {
			s.Spec.Type, s.Spec.AllocateLoadBalancerNodePorts = corev1.ServiceTypeLoadBalancer, new(false)
			s.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey] = "192.0.2.0/24"
		}, nil),
		Entry("type ExternalName", bare, toExternalName, nil),
		Entry("dual-stack to ExternalName", managedShape{policy: corev1.IPFamilyPolicyRequireDualStack}, toExternalName, nil),
		Entry("headless to ExternalName", managedShape{headless: true}, toExternalName, nil),
		Entry("families of a headless one to ExternalName", managedShape{
			headless: true, families: []v1alpha1.IPFamily{"IPv6"}, policy: corev1.IPFamilyPolicySingleStack,
		}, toExternalName, nil),
		Entry("ports", bare, func(s *corev1.Service) {
			s.Spec.Ports[0].TargetPort, s.Spec.Ports[0].Name = intstr.FromString("web"), "web"
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "more", Port: 99})
		}, nil),
		Entry("the second family added", managedShape{policy: corev1.IPFamilyPolicySingleStack}, func(s *corev1.Service) {
			s.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
		}, nil),
		Entry("the second family released", managedShape{policy: corev1.IPFamilyPolicyPreferDualStack}, func(s *corev1.Service) {
			s.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
		}, nil),
		Entry("labels", bare, func(s *corev1.Service) { s.Labels = map[string]string{"team": "other", "mine": "x"} },
			func(s *corev1.Service) { s.Labels["mine"] = "x" }),
		Entry("the record of keys", bare, func(s *corev1.Service) { s.Annotations[translate.ManagedKeysAnnotation] = "{" }, nil),
		Entry("traffic distribution", bare, func(s *corev1.Service) { s.Spec.TrafficDistribution = new("PreferClose") }, nil),
		Entry("not what the template says nothing of", bare, func(s *corev1.Service) { usersOwn(&s.Spec) },
			func(s *corev1.Service) { usersOwn(&s.Spec) }),
	)
})

func toExternalName(s *corev1.Service) {
	s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, "other.example"
}

func usersOwn(spec *corev1.ServiceSpec) {
	spec.SessionAffinity = corev1.ServiceAffinityClientIP
	spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: new(int32(60))}}
	spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal)
	spec.PublishNotReadyAddresses = true
	spec.ExternalIPs = []string{"192.0.2.99"}
	spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
}

// managedShape is what of a template the API server has a say in.
type managedShape struct {
	headless, portless bool
	policy             corev1.IPFamilyPolicy
	families           []v1alpha1.IPFamily
}

var (
	bare          = managedShape{}
	managedShapes = shapes()
)

func shapes() []managedShape {
	type families = []v1alpha1.IPFamily
	list := []managedShape{{headless: true, portless: true}}
	for _, headless := range []bool{false, true} {
		for policy, choices := range map[corev1.IPFamilyPolicy][]families{
			"":                                    {nil, {"IPv4"}, {"IPv6"}},
			corev1.IPFamilyPolicySingleStack:      {nil, {"IPv4"}, {"IPv6"}},
			corev1.IPFamilyPolicyPreferDualStack:  {nil, {"IPv4"}, {"IPv6", "IPv4"}},
			corev1.IPFamilyPolicyRequireDualStack: {nil, {"IPv6"}, {"IPv4", "IPv6"}},
		} {
			for _, chosen := range choices {
				list = append(list, managedShape{headless: headless, policy: policy, families: chosen})
			}
		}
	}
	return list
}

func (m managedShape) String() string {
	return fmt.Sprintf("{headless:%t portless:%t policy:%q families:%v}", m.headless, m.portless, m.policy, m.families)
}

func (m managedShape) backend() *v1alpha1.ExternalBackend {
	eb := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "managed", UID: "6f1c2f4e-1111-4222-8333-944445555666"}}
	eb.Spec.Service.Management = v1alpha1.ServiceManaged
	eb.Spec.Service.Template = &v1alpha1.ServiceTemplate{
		Labels: map[string]string{"team": "shop"}, Headless: m.headless, IPFamilies: m.families, TrafficDistribution: new("PreferSameZone"),
	}
	if m.policy != "" {
		eb.Spec.Service.Template.IPFamilyPolicy = new(string(m.policy))
	}
	if !m.portless {
		eb.Spec.Ports = []v1alpha1.BackendPort{
			{Name: "http", Port: 8080, ServicePort: new(int32(80)), AppProtocol: new("kubernetes.io/h2c")},
			{Name: "dns", Port: 53, Protocol: v1alpha1.ProtocolUDP},
		}
	}
	return eb
}

func createManaged(ctx context.Context, shape managedShape) *corev1.Service {
	GinkgoHelper()
	wanted, problem := translate.ManagedService(shape.backend(), nil, nil)
	Expect(problem).To(BeNil())
	Expect(api.Create(ctx, wanted)).To(Succeed(), "%s", shape)
	removeLater(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: wanted.Name}})
	live := expectSettled(ctx, shape, nil)
	Expect(translate.IsHeadless(live)).To(Equal(shape.headless), "%s", shape)
	expectFamilies(live, shape)
	return live
}

// expectSettled reads the Service and expects that nothing more is wanted of it.
func expectSettled(ctx context.Context, shape managedShape, problem *translate.Problem) *corev1.Service {
	GinkgoHelper()
	live := &corev1.Service{}
	Expect(api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "managed"}, live)).To(Succeed())
	wanted, remaining := translate.ManagedService(shape.backend(), live, nil)
	Expect(gocmp.Diff(live, wanted, cmpopts.EquateEmpty())).To(BeEmpty(), "more is wanted (+) of one that is to be %s", shape)
	Expect(remaining).To(Equal(problem))
	return live
}

func expectFamilies(live *corev1.Service, shape managedShape) {
	GinkgoHelper()
	spec := live.Spec
	for i, family := range shape.families {
		Expect(spec.IPFamilies[i]).To(BeEquivalentTo(family), "%s", shape)
	}
	policy := shape.policy
	if policy == "" && len(shape.families) == 1 {
		policy = corev1.IPFamilyPolicySingleStack
	}
	if policy != "" {
		families := 2
		if policy == corev1.IPFamilyPolicySingleStack {
			families = 1
		}
		Expect(*spec.IPFamilyPolicy).To(Equal(policy))
		Expect(spec.IPFamilies).To(HaveLen(families), "%s", shape)
	}
	if !translate.IsHeadless(live) {
		Expect(spec.ClusterIPs).To(HaveLen(len(spec.IPFamilies)), "%s", shape)
	}
}
