// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// fullPolicy is an ExternalBackendPolicy with every field of the Go types.
func fullPolicy() *v1alpha1.ExternalBackendPolicy {
	return &v1alpha1.ExternalBackendPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "everything"},
		Spec: v1alpha1.ExternalBackendPolicySpec{
			NamespaceSelector: v1alpha1.NamespaceSelector{
				MatchLabels:      v1alpha1.MatchLabels{"team": "shop"},
				MatchExpressions: []v1alpha1.LabelExpression{{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{"gold"}}},
			},
			Allow: &v1alpha1.PolicyAllow{
				CIDRs: []v1alpha1.CIDR{"192.0.2.0/24"}, Hostnames: []v1alpha1.HostnamePattern{"*.example.com"}, Ports: []v1alpha1.PortRange{"443"},
				Checks: v1alpha1.PolicyChecks{
					Kinds: []v1alpha1.CheckKind{v1alpha1.CheckKindTCP}, MinInterval: new(v1alpha1.Duration("10s")), StatusDetail: v1alpha1.StatusDetailCode,
					CustomHost: true, Secrets: true, BodyMatching: true, InsecureSkipVerify: true,
				},
				EC2: &v1alpha1.PolicyEC2{
					Identities: []v1alpha1.IdentityName{"shared"}, Regions: []v1alpha1.Region{"eu-west-1"},
					RequiredTags: v1alpha1.InstanceTags{"k8s-namespace": "$(namespace)"},
				},
				MaxAddresses: 100,
			},
			Deny: &v1alpha1.PolicyDeny{
				CIDRs: []v1alpha1.CIDR{"2001:db8::/32"}, Hostnames: []v1alpha1.HostnamePattern{"db.example.com"}, Ports: []v1alpha1.PortRange{"1-1023"},
			},
		},
	}
}

// unstructuredPolicy reads what is stored of a policy.
func unstructuredPolicy(ctx context.Context, name string) *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ExternalBackendPolicy"))
	Expect(api.Get(ctx, client.ObjectKey{Name: name}, object)).To(Succeed())
	return object
}

var _ = Describe("The Go types of an ExternalBackendPolicy", func() {
	It("come back from the API server as they were sent, with every field of the schema", func(ctx SpecContext) {
		sent := fullPolicy()
		Expect(api.Create(ctx, sent)).To(Succeed())
		removeLater(sent)
		read := &v1alpha1.ExternalBackendPolicy{}
		Expect(api.Get(ctx, client.ObjectKeyFromObject(sent), read)).To(Succeed())
		Expect(read.Spec).To(Equal(fullPolicy().Spec))

		raw, seen := unstructuredPolicy(ctx, sent.Name), map[string]bool{}
		Expect(quoted(raw.Object["spec"])).To(MatchJSON(quoted(plain(fullPolicy())["spec"])))
		visit("spec", raw.Object["spec"], func(path string, _ any) { seen[place(path)] = true })
		for _, path := range policies.ownPaths() {
			Expect(seen).To(HaveKey(path), "the Go types lack a field that the schema has")
		}
		Expect(seen).To(HaveLen(len(policies.ownPaths())), "the schema lacks a field of the Go types")
	})

	It("leave out what is not set", func(ctx SpecContext) {
		minimal := &v1alpha1.ExternalBackendPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "minimal"}, Spec: v1alpha1.ExternalBackendPolicySpec{Allow: &v1alpha1.PolicyAllow{}},
		}
		Expect(api.Create(ctx, minimal)).To(Succeed())
		removeLater(minimal)
		Expect(quoted(unstructuredPolicy(ctx, "minimal").Object["spec"])).To(MatchJSON(`{"namespaceSelector": {}, "allow": {}}`))
	})
})

var _ = Describe("The selector of an ExternalBackendPolicy", func() {
	DescribeTable("selects namespaces by their labels", func(selector string, namespace map[string]string, selected bool) {
		policy := &v1alpha1.ExternalBackendPolicy{}
		Expect(json.Unmarshal([]byte(quoted(parsed("{spec: {namespaceSelector: "+selector+"}}"))), policy)).To(Succeed())
		got, err := policy.Spec.NamespaceSelector.Selector()
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Matches(k8slabels.Set(namespace))).To(Equal(selected))
	},
		Entry("all", "{}", map[string]string{}, true),
		Entry("a label", "{matchLabels: {team: shop}}", map[string]string{"team": "shop", "a": "b"}, true),
		Entry("another label", "{matchLabels: {team: shop}}", map[string]string{"team": "bank"}, false),
		Entry("no label", "{matchLabels: {team: shop}}", map[string]string{}, false),
		Entry("In", "{matchExpressions: [{key: team, operator: In, values: [shop, bank]}]}", map[string]string{"team": "bank"}, true),
		Entry("not In", "{matchExpressions: [{key: team, operator: In, values: [shop, bank]}]}", map[string]string{}, false),
		Entry("NotIn", "{matchExpressions: [{key: team, operator: NotIn, values: [shop]}]}", map[string]string{"team": "shop"}, false),
		Entry("NotIn without the label", "{matchExpressions: [{key: team, operator: NotIn, values: [shop]}]}", map[string]string{}, true),
		Entry("Exists", "{matchExpressions: [{key: team, operator: Exists}]}", map[string]string{"team": ""}, true),
		Entry("DoesNotExist", "{matchExpressions: [{key: team, operator: DoesNotExist}]}", map[string]string{"team": ""}, false),
		Entry("all must hold", "{matchLabels: {a: b}, matchExpressions: [{key: team, operator: Exists}]}", map[string]string{"team": ""}, false),
	)

	It("is an error where no API server has checked it", func() {
		selector := v1alpha1.NamespaceSelector{MatchExpressions: []v1alpha1.LabelExpression{{Key: "team", Operator: "in", Values: []string{"shop"}}}}
		_, err := selector.Selector()
		Expect(err).To(MatchError(ContainSubstring(`"in"`)))
	})
})

var _ = Describe("The largest ExternalBackendPolicy", func() {
	It("can be applied and edited", func(ctx SpecContext) {
		object := policies.edited(
			set("metadata.name", quoted(longestHostname)), set("spec.namespaceSelector.matchLabels", pairs(16, letters64[:63])),
			set("spec.namespaceSelector.matchExpressions", repeated(16, "{key: k%d, operator: In, values: "+repeated(64, "v%d")+"}")),
			set("spec.allow.cidrs", networks(256)), set("spec.deny.cidrs", networks(256)),
			set("spec.allow.hostnames", hostnames(128)), set("spec.deny.hostnames", hostnames(128)),
			set("spec.allow.ports", different(64, `"1%[1]d%02[2]d-65535"`)), set("spec.deny.ports", different(64, `"1%[1]d%02[2]d-65535"`)),
			set(policyInstance, "{identities: "+repeated(32, letters254[:250]+"%d")+", regions: "+regions(64)+
				", requiredTags: "+pairs(16, strings.Repeat("$(namespace)", 21))+"}"),
		)
		Expect(api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("largest"))).To(Succeed())
		removeLater(object)
		policy := &v1alpha1.ExternalBackendPolicy{}
		Expect(api.Get(ctx, client.ObjectKeyFromObject(object), policy)).To(Succeed())
		policy.Spec.Allow.CIDRs[255] = "192.0.2.0/24"
		Expect(api.Update(ctx, policy)).To(Succeed())
		Expect(policy.Generation).To(Equal(int64(2)))
	})
})

// networks writes a YAML list of the longest networks.
func networks(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("ffff:ffff:ffff:ffff:ffff:ffff:ffff:%x/128", 0xf000+i)
	}
	return quoted(list)
}

// hostnames writes a YAML list of the longest names.
func hostnames(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = longestHostname[:250] + fmt.Sprintf("%03d", i)
	}
	return quoted(list)
}

var _ = Describe("kubectl get of ExternalBackendPolicies", func() {
	It("knows them as ebp and shows what they allow and deny", func(ctx SpecContext) {
		_, err := store(ctx, policies.edited())
		Expect(err).NotTo(HaveOccurred())
		Expect(table(kubectl(ctx, "get", "ebp"))).To(HaveExactElements(
			Equal([]string{"NAME", "ALLOWED", "DENIED", "AGE"}),
			HaveExactElements(Equal("shop"), Equal(`["192.0.2.0/24","2001:db8::/32"]`), Equal(`["192.0.2.128/25"]`), MatchRegexp(`^\d+s$`)),
		))
	})
})
