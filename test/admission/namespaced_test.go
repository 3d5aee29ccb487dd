// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// rulesOf returns the rules of a role as lines of one permission each.
func rulesOf(objects []*unstructured.Unstructured, name string) (list []string) {
	GinkgoHelper()
	for _, object := range of(objects, "ClusterRole") {
		if object.GetName() != name {
			continue
		}
		var role rbacv1.ClusterRole
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role)).To(Succeed())
		for _, rule := range role.Rules {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					list = append(list, strings.Join([]string{verb, rule.APIGroups[0], resource}, " "))
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// flagsOf returns the arguments of the operator, by the name of the flag.
func flagsOf(objects []*unstructured.Unstructured) map[string]string {
	GinkgoHelper()
	containers, _, err := unstructured.NestedSlice(only(objects, "Deployment").Object, "spec", "template", "spec", "containers")
	Expect(err).NotTo(HaveOccurred())
	flags := map[string]string{}
	for _, argument := range containers[0].(map[string]any)["args"].([]any) {
		name, value, _ := strings.Cut(argument.(string), "=")
		flags[name] = value
	}
	return flags
}

var _ = Describe("The installation for some namespaces", Ordered, func() {
	var objects []*unstructured.Unstructured
	var account client.Client // that the operator runs as
	BeforeAll(func(ctx SpecContext) {
		// Beside the one of the suite, as a second one in a cluster has to be.
		objects = overlay(ctx, "namespaced", "namePrefix: some-")
		for _, name := range []string{"shop", "search"} {
			mustCreate(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
		// What is about everybody is there already, and is not to be there twice.
		own := slices.DeleteFunc(slices.Clone(objects), func(object *unstructured.Unstructured) bool {
			return !strings.HasPrefix(object.GetName(), "some-") || object.GetName() == "some-"+identityUse
		})
		install(ctx, kubeconfig, own)
		DeferCleanup(func(ctx SpecContext) {
			for _, object := range own {
				Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed())
			}
		})
		operators := only(objects, "ServiceAccount")
		account = withToken(ctx, operators.GetNamespace(), operators.GetName())
		Eventually(func(ctx context.Context) error {
			return client.NewDryRunClient(account).Create(ctx, slice("trial", inside("shop"), unlabelled))
		}).WithContext(ctx).Should(refusedBy("some-"+sliceFence, noLabel))
	})

	It("fences the account that it runs the operator as", func() { expectFenced(objects) })

	It("runs the operator in the namespaces that it has permissions in, with networks that are denied", func() {
		var bound []string
		for _, binding := range of(objects, "RoleBinding") {
			if binding.GetNamespace() != only(objects, "ServiceAccount").GetNamespace() {
				bound = append(bound, binding.GetNamespace())
			}
		}
		Expect(strings.Split(flagsOf(objects)["--namespaces"], ",")).To(ConsistOf(bound))
		Expect(flagsOf(objects)).To(HaveKeyWithValue("--deny-cidrs", Not(BeEmpty())))
	})

	It("grants the same as the one for all, but for what is of the cluster", func(ctx SpecContext) {
		all := rulesOf(render(ctx, filepath.Join("..", "..", "config", "default")), "externalbackend-manager-role")
		all = slices.DeleteFunc(all, func(rule string) bool {
			resource := rule[strings.LastIndex(rule, " ")+1:]
			return slices.Contains([]string{"nodes", "namespaces", "servicecidrs", "externalbackendpolicies", "awsidentities", "awsidentities/status"}, resource)
		})
		some := append(rulesOf(objects, "some-externalbackend-namespaced-manager-role"), rulesOf(objects, "some-externalbackend-metrics-auth-role")...)
		Expect(some).To(ConsistOf(all))
		for _, binding := range of(objects, "ClusterRoleBinding") {
			role, _, err := unstructured.NestedString(binding.Object, "roleRef", "name")
			Expect(err).NotTo(HaveOccurred())
			Expect(role).To(Equal("some-externalbackend-metrics-auth-role"))
		}
	})

	It("lets it work there, and nowhere else", func(ctx SpecContext) {
		for _, in := range []string{"shop", "search"} {
			s := slice("payments", inside(in))
			Expect(account.Create(ctx, s)).To(Succeed())
			addresses("192.0.2.11")(s)
			Expect(account.Update(ctx, s)).To(Succeed())
			Expect(account.Delete(ctx, s)).To(Succeed())
			Expect(account.List(ctx, &v1alpha1.ExternalBackendList{}, client.InNamespace(in))).To(Succeed())
		}
		for _, in := range []string{namespace, "kube-system", "externalbackend-system"} {
			Expect(account.Create(ctx, slice("payments", inside(in)))).To(Satisfy(apierrors.IsForbidden))
			Expect(account.List(ctx, &discoveryv1.EndpointSliceList{}, client.InNamespace(in))).To(Satisfy(apierrors.IsForbidden))
		}
		for _, list := range []client.ObjectList{&corev1.NodeList{}, &corev1.NamespaceList{}, &v1alpha1.ExternalBackendList{}, &v1alpha1.ExternalBackendPolicyList{}} {
			Expect(account.List(ctx, list)).To(Satisfy(apierrors.IsForbidden), "%T", list)
		}
	})

	DescribeTable("fences it in as the one for all", func(ctx SpecContext, object client.Object, policy, message string) {
		object.SetNamespace("shop")
		Expect(account.Create(ctx, object)).To(refusedBy("some-"+policy, message))
	},
		Entry("from slices of others", slice("payments", foreign), sliceFence, noLabel),
		Entry("from addresses that no target has", slice("payments", addresses("168.63.129.16")), sliceFence, hardDenied),
		Entry("from Services of others", service("payments", users), serviceFence, noMark),
	)
})
