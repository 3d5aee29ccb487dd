// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("The NetworkPolicies", func() {
	// policies returns what is installed with these lines of config/default no
	// longer commented out, after the API server has accepted it.
	policies := func(ctx SpecContext, lines ...string) map[string]networkingv1.NetworkPolicySpec {
		GinkgoHelper()
		folder := GinkgoT().TempDir()
		Expect(os.CopyFS(folder, os.DirFS(filepath.Join("..", "..", "config")))).To(Succeed())
		file := filepath.Join(folder, "default", "kustomization.yaml")
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		for _, line := range lines {
			commented := []byte("#" + line + "\n")
			Expect(bytes.Count(text, commented)).To(Equal(1), line)
			text = bytes.Replace(text, commented, commented[1:], 1)
		}
		Expect(os.WriteFile(file, text, 0o600)).To(Succeed())

		objects := render(ctx, filepath.Join(folder, "default"))
		pod, _, err := unstructured.NestedStringMap(only(objects, "Deployment").Object, "spec", "template", "metadata", "labels")
		Expect(err).NotTo(HaveOccurred())
		specs := map[string]networkingv1.NetworkPolicySpec{}
		for _, object := range of(objects, "NetworkPolicy") {
			var policy networkingv1.NetworkPolicy
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &policy)).To(Succeed())
			Expect(admin.Create(ctx, &policy, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed())
			Expect(policy.Namespace).To(Equal(only(objects, "Deployment").GetNamespace()))
			selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
			Expect(err).NotTo(HaveOccurred())
			Expect(selector.Empty()).To(BeFalse())
			Expect(selector.Matches(labels.Set(pod))).To(BeTrue(), "%s is not about the operator", policy.Name)
			specs[policy.Name] = policy.Spec
		}
		return specs
	}

	It("are left to those whose network plugin enforces them", func(ctx SpecContext) {
		Expect(policies(ctx)).To(BeEmpty())
	})

	It("let nothing in but scrapes of the metrics", func(ctx SpecContext) {
		specs := policies(ctx, "- ../network-policy")
		Expect(specs).To(HaveLen(1))
		spec := specs["externalbackend-allow-metrics-traffic"]
		Expect(spec.PolicyTypes).To(ConsistOf(networkingv1.PolicyTypeIngress))
		Expect(spec.Ingress).To(ConsistOf(networkingv1.NetworkPolicyIngressRule{
			From:  []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"metrics": "enabled"}}}},
			Ports: []networkingv1.NetworkPolicyPort{{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(8443))}},
		}))
	})

	It("let nothing out to where metadata services are", func(ctx SpecContext) {
		specs := policies(ctx, "- ../network-policy", "- ../network-policy/egress")
		Expect(specs).To(HaveLen(2))
		spec := specs["externalbackend-allow-egress"]
		Expect(spec.PolicyTypes).To(ConsistOf(networkingv1.PolicyTypeEgress))
		for _, address := range []string{"192.0.2.10", "198.51.100.1", "10.96.0.1", "240.0.0.1", "2001:db8::10", "fd00::1", "64:ff9b::c000:20a"} {
			Expect(letOut(spec, address)).To(BeTrue(), address)
		}
		for _, address := range []string{
			"169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192", "127.0.0.1", "0.0.0.0",
			"224.0.0.1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1",
			"fd00:100::100:200", "fe80::a9fe:a9fe", "::1", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
		} {
			Expect(letOut(spec, address)).To(BeFalse(), address)
		}
	})

	It("let DNS out", func(ctx SpecContext) {
		spec := policies(ctx, "- ../network-policy/egress")["externalbackend-allow-egress"]
		Expect(spec.Egress).To(ContainElement(networkingv1.NetworkPolicyEgressRule{
			To: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "kube-system"}},
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
			}},
			Ports: []networkingv1.NetworkPolicyPort{
				{Protocol: new(corev1.ProtocolUDP), Port: new(intstr.FromInt32(53))}, {Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(53))},
			},
		}))
	})
})

// letOut tells whether a rule lets a packet to an address out that is no Pod's,
// by any port.
func letOut(spec networkingv1.NetworkPolicySpec, address string) bool {
	GinkgoHelper()
	addr := netip.MustParseAddr(address)
	for _, rule := range spec.Egress {
		if len(rule.To) == 0 {
			return true
		}
		for _, to := range rule.To {
			if to.IPBlock == nil || !netip.MustParsePrefix(to.IPBlock.CIDR).Contains(addr) {
				continue
			}
			excepted := false
			for _, except := range to.IPBlock.Except {
				excepted = excepted || netip.MustParsePrefix(except).Contains(addr)
			}
			if !excepted {
				return true
			}
		}
	}
	return false
}
