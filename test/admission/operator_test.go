// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

var _ = Describe("Whoever gets hold of the operator's token", func() {
	It("can do nothing that is not written down, and give nobody more rights", func(ctx SpecContext) {
		shipped := render(ctx, filepath.Join("..", "..", "config", "default"))
		roles := append(of(shipped, "ClusterRole"), of(shipped, "Role")...)
		Expect(roles).NotTo(BeEmpty())
		for _, object := range roles {
			var role rbacv1.ClusterRole // both kinds have their rules in the same place
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role)).To(Succeed())
			for _, rule := range role.Rules {
				Expect(rule.Verbs).NotTo(ContainElements("*"), role.Name)
				Expect(rule.Verbs).NotTo(ContainElement(BeElementOf("escalate", "bind", "impersonate", "deletecollection")), role.Name)
				Expect(append(rule.Resources, rule.APIGroups...)).NotTo(ContainElement(ContainSubstring("*")), role.Name)
			}
		}
	})

	DescribeTable("cannot", func(ctx SpecContext, verb, group, what string) {
		may := func(verb, group, what, namespace string) bool {
			GinkgoHelper()
			name, subresource, _ := strings.Cut(what, "/")
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: group, Resource: name, Subresource: subresource},
			}}
			Expect(operator.Create(ctx, review)).To(Succeed())
			return review.Status.Allowed
		}
		for _, namespace := range []string{"", namespace, "kube-system", "externalbackend-system"} {
			Expect(may("list", "discovery.k8s.io", "endpointslices", namespace)).To(BeTrue(), "the reviews say nothing")
			Expect(may(verb, group, what, namespace)).To(BeFalse(), namespace)
		}
	},
		Entry("read Secrets", "get", "", "secrets"),
		Entry("list Secrets", "list", "", "secrets"),
		Entry("watch Secrets", "watch", "", "secrets"),
		Entry("write Secrets", "create", "", "secrets"),
		Entry("run Pods", "create", "", "pods"),
		Entry("enter Pods", "create", "", "pods/exec"),
		Entry("make tokens", "create", "", "serviceaccounts/token"),
		Entry("write Endpoints", "create", "", "endpoints"),
		Entry("write ExternalBackends", "create", "externalbackend.dev", "externalbackends"),
		Entry("edit ExternalBackends", "update", "externalbackend.dev", "externalbackends"),
		Entry("write policies", "create", "externalbackend.dev", "externalbackendpolicies"),
		Entry("edit policies", "patch", "externalbackend.dev", "externalbackendpolicies"),
		Entry("remove the fences", "delete", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
		Entry("unbind the fences", "delete", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
		Entry("write roles", "create", "rbac.authorization.k8s.io", "clusterroles"),
		Entry("bind roles", "create", "rbac.authorization.k8s.io", "rolebindings"),
	)
})

var _ = Describe("The role for credentials of checks", func() {
	const role = "externalbackend-check-credentials-reader"

	It("is given to nobody by the installation", func(ctx SpecContext) {
		shipped := render(ctx, filepath.Join("..", "..", "config", "default"))
		var found []string
		for _, object := range shipped {
			if object.GetName() == role {
				found = append(found, object.GetKind())
				Expect(object.GetLabels()).NotTo(HaveKey(ContainSubstring("aggregate-to")))
			}
			if strings.HasSuffix(object.GetKind(), "RoleBinding") {
				Expect(object.Object["roleRef"]).NotTo(HaveKeyWithValue("name", role), object.GetName())
			}
		}
		Expect(found).To(Equal([]string{"ClusterRole"}))
	})

	It("lets the operator read a Secret by its name, in the namespace where it is bound, and nothing else", func(ctx SpecContext) {
		account := only(render(ctx, filepath.Join("..", "..", "config", "default")), "ServiceAccount")
		for _, where := range []string{namespace, "kube-system"} {
			mustCreate(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: where, Name: "checks"}, Type: v1alpha1.SecretTypeCheckCredentials})
		}
		read := func(ctx SpecContext, where string) error {
			return operator.Get(ctx, client.ObjectKey{Namespace: where, Name: "checks"}, &corev1.Secret{})
		}
		Expect(apierrors.IsForbidden(read(ctx, namespace))).To(BeTrue())
		mustCreate(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "check-credentials"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.GetNamespace(), Name: account.GetName()}},
		})
		Eventually(read).WithContext(ctx).WithArguments(namespace).Should(Succeed())
		Expect(apierrors.IsForbidden(read(ctx, "kube-system"))).To(BeTrue())
		Expect(apierrors.IsForbidden(operator.List(ctx, &corev1.SecretList{}, client.InNamespace(namespace)))).To(BeTrue())
		for _, verb := range []string{"list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Resource: "secrets"},
			}}
			Expect(operator.Create(ctx, review)).To(Succeed())
			Expect(review.Status.Allowed).To(BeFalse(), verb)
		}
	})
})

var _ = Describe("A quota of ExternalBackends", func() {
	It("bounds how many a namespace has", func(ctx SpecContext) {
		const counted = "count/externalbackends.externalbackend.dev"
		few := corev1.ResourceList{counted: resource.MustParse("1")}
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "externalbackends"}, Spec: corev1.ResourceQuotaSpec{Hard: few},
		}
		mustCreate(ctx, quota)
		// What kube-controller-manager counts, which the suite does not run.
		quota.Status = corev1.ResourceQuotaStatus{Hard: few, Used: corev1.ResourceList{counted: resource.MustParse("0")}}
		Expect(admin.Status().Update(ctx, quota)).To(Succeed())

		backend := func(name string) *v1alpha1.ExternalBackend {
			return &v1alpha1.ExternalBackend{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
				Spec: v1alpha1.ExternalBackendSpec{Targets: []v1alpha1.Target{
					{Name: "rack", IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.10"}}},
				}},
			}
		}
		mustCreate(ctx, backend("first"))
		err := admin.Create(ctx, backend("second"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring("exceeded quota: externalbackends")))
	})
})
