// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// with has an identity use the access key in a Secret of the operator's namespace.
func with(secret string) func(*v1alpha1.AWSIdentity) {
	return func(identity *v1alpha1.AWSIdentity) {
		identity.Spec.AccessKeySecret = &v1alpha1.SecretReference{Name: secret}
	}
}

// grantAccessKeys lets the operator read access keys, as the documentation says.
func grantAccessKeys(ctx context.Context) *rbacv1.RoleBinding {
	GinkgoHelper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: shipped.account.Namespace, Name: accessKeyRole},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: accessKeyRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: shipped.account.Namespace, Name: shipped.account.Name}},
	}
	Expect(admin.Create(ctx, binding)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, binding))).To(Succeed()) })
	operators := &scene{namespace: shipped.account.Namespace}
	Eventually(operators.maySeeSecrets).WithContext(ctx).Should(BeTrue())
	return binding
}

var _ = Describe("Access keys of AWSIdentities", func() {
	const name = "aws"
	var s, operators *scene
	BeforeEach(func(ctx SpecContext) {
		ownOperator(operatorOptions{secretPeriod: soon})
		s, operators = newScene(ctx), &scene{namespace: shipped.account.Namespace}
		DeferCleanup(func(ctx SpecContext) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operators.namespace, Name: name}}
			Expect(client.IgnoreNotFound(admin.Delete(ctx, secret))).To(Succeed())
		})
	})
	// key makes a Secret with the key of a user of the account.
	key := func(ctx context.Context, f *fleet, user string) *corev1.Secret {
		GinkgoHelper()
		key := f.account.User(user)
		return operators.secret(ctx, name, v1alpha1.SecretTypeAWSAccessKey, map[string]string{
			v1alpha1.SecretKeyAccessKeyID: key.ID, v1alpha1.SecretKeySecretAccessKey: key.Secret + "\n",
		})
	}
	arn := func(f *fleet) func(context.Context) string {
		return func(ctx context.Context) string { return statusOfIdentity(ctx, f.identity.Name).ARN }
	}

	It("are used, and the next one soon after it was put there", func(ctx SpecContext) {
		grantAccessKeys(ctx)
		f := s.fleet(ctx, own, with(name))
		f.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAccessKeyUnavailable, "Secret aws of namespace "+operators.namespace+" does not exist", "create it"))
		secret := key(ctx, f, "first")
		f.ready(ctx)
		Expect(arn(f)(ctx)).To(Equal("arn:aws:iam::" + f.account.ID() + ":user/first"))
		f.run(s, "192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})

		By("being rotated")
		second := f.account.User("second")
		edit(ctx, secret, func(secret *corev1.Secret) {
			secret.StringData = map[string]string{v1alpha1.SecretKeyAccessKeyID: second.ID, v1alpha1.SecretKeySecretAccessKey: second.Secret}
		})
		Eventually(arn(f)).WithContext(ctx).WithTimeout(2 * patience).Should(Equal("arn:aws:iam::" + f.account.ID() + ":user/second"))

		By("being taken away")
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		f.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAccessKeyUnavailable, "does not exist"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonIdentityNotUsable))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})

		By("coming back")
		key(ctx, f, "third")
		f.ready(ctx)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, BeZero())
	})

	It("assume the role, if there is one", func(ctx SpecContext) {
		grantAccessKeys(ctx)
		f := s.fleet(ctx, with(name))
		key(ctx, f, "user")
		f.ready(ctx)
		Expect(f.assumed()).To(HaveEach(HaveField("Principal", "arn:aws:iam::"+f.account.ID()+":user/user")))
		Expect(arn(f)(ctx)).To(ContainSubstring(":assumed-role/externalbackend/"))
	})

	It("are not read without permission, nor watched", func(ctx SpecContext) {
		mark := audit.mark()
		f, other := s.fleet(ctx, own, with(name)), s.fleet(ctx, own)
		key(ctx, f, "user")
		f.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAccessKeyUnavailable, "may not be read", "access-key-reader"))
		other.ready(ctx)
		grantAccessKeys(ctx)
		f.ready(ctx)
		for _, r := range audit.since(mark) {
			if r.Resource == "secrets" {
				Expect(r).To(And(HaveField("Verb", "get"), HaveField("Namespace", operators.namespace), HaveField("Name", name)))
			}
		}
	})

	It("of another type are not used", func(ctx SpecContext) {
		grantAccessKeys(ctx)
		f := s.fleet(ctx, own, with(name))
		operators.secret(ctx, name, corev1.SecretTypeOpaque, map[string]string{v1alpha1.SecretKeyAccessKeyID: "AKIA", v1alpha1.SecretKeySecretAccessKey: "hidden"})
		f.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAccessKeyUnavailable, `of type "Opaque"`, v1alpha1.SecretTypeAWSAccessKey))
		s.service(ctx, "payments")
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, And(HaveField("Reason", v1alpha1.ReasonIdentityNotUsable), HaveField("Message", Not(ContainSubstring("Opaque")))))
	})
})

var _ = Describe("An operator that does not know its own namespace", func() {
	It("says so where an access key is asked for", func(ctx SpecContext) {
		ownOperator(operatorOptions{homeless: true})
		f := newScene(ctx).fleet(ctx, own, with("aws"))
		f.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAccessKeyUnavailable, "--leader-election-namespace"))
	})
})
