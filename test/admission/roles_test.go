// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/test/aggregation"
)

// everyVerb is all that can be done with an object, and use, which
// awsidentities have.
var everyVerb = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "use"}

var (
	reading = []string{"get", "list", "watch"}
	writing = []string{"create", "delete", "get", "list", "patch", "update", "watch"}
)

// rights are verbs by resource of our group.
type rights map[string][]string

// rightsOf asks the API server what a user may do in a namespace, and in the
// cluster where that is "".
func rightsOf(ctx context.Context, user, namespace string) rights {
	GinkgoHelper()
	found := rights{}
	for _, resource := range []string{"externalbackends", "externalbackends/status", "externalbackendpolicies", "awsidentities", "awsidentities/status"} {
		for _, verb := range everyVerb {
			name, subresource, _ := strings.Cut(resource, "/")
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Verb: verb, Group: "externalbackend.dev", Resource: name, Subresource: subresource,
				},
			}}
			Expect(admin.Create(ctx, review)).To(Succeed())
			if review.Status.Allowed {
				found[resource] = append(found[resource], verb)
			}
		}
		slices.Sort(found[resource])
	}
	for resource, verbs := range found {
		if len(verbs) == 0 {
			delete(found, resource)
		}
	}
	return found
}

var _ = Describe("Of our kinds", func() {
	// bind binds a role to a user in a namespace.
	bind := func(ctx context.Context, role, user string) {
		GinkgoHelper()
		mustCreate(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		})
		Eventually(rightsOf).WithContext(ctx).WithArguments(user, namespace).ShouldNot(BeEmpty(), "%s is not in force", role)
	}

	DescribeTable("the role grants what it should, and no more, where it is bound", func(ctx SpecContext, role string, wanted rights) {
		Expect(aggregation.Aggregate(ctx, admin)).To(Succeed())
		bind(ctx, role, "user")
		Eventually(rightsOf).WithContext(ctx).WithArguments("user", namespace).Should(Equal(wanted))
		Expect(rightsOf(ctx, "user", "kube-system")).To(BeEmpty())
		Expect(rightsOf(ctx, "user", "")).To(BeEmpty())
	},
		// What writes an ExternalBackend has to be granted on its own.
		Entry(nil, "view", rights{"externalbackends": reading, "externalbackends/status": {"get"}}),
		Entry(nil, "edit", rights{"externalbackends": reading, "externalbackends/status": {"get"}}),
		Entry(nil, "admin", rights{"externalbackends": reading, "externalbackends/status": {"get"}}),
		Entry(nil, "externalbackend-viewer-role", rights{"externalbackends": reading, "externalbackends/status": {"get"}}),
		Entry(nil, "externalbackend-editor-role", rights{"externalbackends": writing, "externalbackends/status": {"get"}}),
	)

	DescribeTable("the role grants what it should, and no more, in the cluster", func(ctx SpecContext, role string, wanted rights) {
		grant(ctx, "cluster-user", role, "cluster-user")
		Eventually(rightsOf).WithContext(ctx).WithArguments("cluster-user", "").Should(Equal(wanted))
	},
		Entry(nil, "externalbackend-policy-viewer-role", rights{"externalbackendpolicies": reading}),
		Entry(nil, "externalbackend-policy-editor-role", rights{"externalbackendpolicies": writing}),
		Entry(nil, "externalbackend-awsidentity-viewer-role", rights{"awsidentities": reading, "awsidentities/status": {"get"}}),
		Entry(nil, "externalbackend-awsidentity-editor-role", rights{"awsidentities": writing, "awsidentities/status": {"get"}}),
		Entry(nil, "externalbackend-awsidentity-user-role", rights{"awsidentities": {"use"}}),
	)

	It("nothing is granted to those to whom nobody gave anything", func(ctx SpecContext) {
		Expect(rightsOf(ctx, "nobody", namespace)).To(BeEmpty())
	})

	It("those who may view everything are shown neither policies nor AWSIdentities", func(ctx SpecContext) {
		Expect(aggregation.Aggregate(ctx, admin)).To(Succeed())
		grant(ctx, "viewer-of-all", "view", "viewer-of-all")
		Eventually(rightsOf).WithContext(ctx).WithArguments("viewer-of-all", "").Should(
			Equal(rights{"externalbackends": reading, "externalbackends/status": {"get"}}))
	})
})
