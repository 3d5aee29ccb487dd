// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"net/netip"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/test/targets"
)

// namespacedRules is what config/namespaced grants the operator in each namespace.
func namespacedRules(ctx context.Context) []rbacv1.PolicyRule {
	GinkgoHelper()
	i := &installation{roles: make(map[string][]rbacv1.PolicyRule)}
	i.read(kustomize(ctx, filepath.Join("..", "config", "namespaced")))
	Expect(i.roles).To(HaveKeyWithValue(namespacedRole, Not(BeEmpty())))
	return i.roles[namespacedRole]
}

// otherAccount acts as an account of the namespace, which no fence is about, with
// permissions in there alone.
func (s *scene) otherAccount(ctx context.Context, rules []rbacv1.PolicyRule) *rest.Config {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "operator"}}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "operator"}, Rules: rules}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "operator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: account.Name}},
	}
	for _, object := range []client.Object{account, role, binding} {
		Expect(admin.Create(ctx, object)).To(Succeed())
	}
	connection := rest.AnonymousClientConfig(cluster)
	connection.BearerToken = tokenFor(ctx, account.Namespace, account.Name)
	return connection
}

var _ = Describe("An operator of some namespaces", func() {
	It("does with permissions in these alone", func(ctx SpecContext) {
		s, other := newScene(ctx), newScene(ctx)
		o := ownOperator(operatorOptions{
			connection: s.otherAccount(ctx, namespacedRules(ctx)), namespaces: []string{s.namespace},
			deny: []guard.Network{{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Why: "denied to all by --deny-cidrs"}},
		})

		host := s.host("192.0.2.10")
		for _, in := range []*scene{s, other} {
			in.service(ctx, "payments")
			in.backend(ctx, "payments", drainFor("0s"), entry("rack", "192.0.2.10"), entry("cage", "198.51.100.7"))
		}
		s.foreignSlice(ctx, "payments", "hand-made", "somebody", "192.0.2.99")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, yes(v1alpha1.ReasonForeignEndpointSlices))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "198.51.100.7", "--deny-cidrs"))
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", in))
		host.Set(targets.Refuse)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", out))
		Expect(other.slices(ctx)).To(BeEmpty())
		for request := range o.requests.counts() {
			Expect(request).To(ContainSubstring("/namespaces/" + s.namespace + "/"))
		}
	})
})
