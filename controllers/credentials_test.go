// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// soon is a period between two reads of a Secret that a spec can wait for.
const soon = 200 * time.Millisecond

// credentials makes a Secret that checks may send.
func (s *scene) credentials(ctx context.Context, name string, data map[string]string) *corev1.Secret {
	GinkgoHelper()
	return s.secret(ctx, name, v1alpha1.SecretTypeCheckCredentials, data)
}

func (s *scene) secret(ctx context.Context, name string, kind corev1.SecretType, data map[string]string) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Type: kind, StringData: data}
	Expect(admin.Create(ctx, secret)).To(Succeed())
	return secret
}

// grantSecrets lets the operator read the Secrets of the namespace, as the
// documentation says, and waits until that is in force.
func (s *scene) grantSecrets(ctx context.Context) *rbacv1.RoleBinding {
	GinkgoHelper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "check-credentials"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: credentialsRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: shipped.account.Namespace, Name: shipped.account.Name}},
	}
	Expect(admin.Create(ctx, binding)).To(Succeed())
	Eventually(s.maySeeSecrets).WithContext(ctx).Should(BeTrue())
	return binding
}

func (s *scene) maySeeSecrets(ctx context.Context) bool {
	GinkgoHelper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: shipped.user(), ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: s.namespace, Verb: "get", Resource: "secrets", Name: "checks"},
	}}
	Expect(admin.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

// secretReads are the requests for Secrets of the namespace after a mark.
func (s *scene) secretReads(mark int) (list []string) {
	for _, r := range audit.since(mark) {
		if r.Resource == "secrets" && r.Namespace == s.namespace {
			list = append(list, r.Verb+" "+r.Name)
		}
	}
	return list
}

// sending has targets checked with a header from a key of the Secret "checks".
func sending(header, key string) func(*v1alpha1.ExternalBackend) {
	return check(v1alpha1.Check{Name: "http", HTTP: &v1alpha1.HTTPCheck{Headers: []v1alpha1.HTTPHeader{{
		Name: header, ValueFrom: &v1alpha1.HTTPHeaderSource{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "checks", Key: key}},
	}}}})
}

// secretsFail has reads of Secrets fail without that anything is said about them.
func secretsFail(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/secrets/") {
		return nil, errors.New("the API server is away")
	}
	return next.RoundTrip(r)
}

var _ = Describe("Credentials of checks", func() {
	var (
		s    *scene
		o    *operator
		host *targets.Host
	)
	served := endpoints{"192.0.2.10": in}
	unavailable := func(ctx context.Context, name string) metav1.Condition {
		return s.condition(ctx, name, v1alpha1.ConditionCredentialsUnavailable)
	}
	BeforeEach(func(ctx SpecContext) {
		o = ownOperator(operatorOptions{secretPeriod: soon})
		s = newScene(ctx)
		host = s.host("192.0.2.10")
		s.service(ctx, "payments")
	})

	It("are sent to the target, and those of now soon after they have changed", func(ctx SpecContext) {
		s.grantSecrets(ctx)
		secret := s.credentials(ctx, "checks", map[string]string{"token": "Bearer one\n", "other": "not this one"})
		s.backend(ctx, "payments", sending("Authorization", "token"), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", served)
		Expect(host.Received("Authorization")).To(Equal([]string{"Bearer one"}))
		edit(ctx, secret, func(secret *corev1.Secret) { secret.StringData = map[string]string{"token": "Bearer two"} })
		Eventually(host.Received).WithArguments("Authorization").Should(Equal([]string{"Bearer two"}))
		Expect(unavailable(ctx, "payments")).To(BeZero())
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(served))
	})

	DescribeTable("that cannot be had leave what is published as it is, and say so:",
		func(ctx SpecContext, spoil func(ctx context.Context, secret *corev1.Secret, binding *rbacv1.RoleBinding), reason string, parts ...string) {
			binding := s.grantSecrets(ctx)
			secret := s.credentials(ctx, "checks", map[string]string{"token": "Bearer one"})
			s.backend(ctx, "payments", sending("Authorization", "token"), entry("rack", "192.0.2.10"))
			s.expect(ctx, "payments", served)
			versions := s.versions(ctx)

			spoil(ctx, secret, binding)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionCredentialsUnavailable, yes(reason, append(parts, `"checks"`)...))
			Eventually(s.warnings).WithContext(ctx).WithArguments("payments").Should(HaveKey(reason))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy, "192.0.2.10 ("+reason+")"))
			// A host that would fail every check is not even asked, let alone with the former value.
			host.Set(targets.ServerError)
			before := host.Attempts()
			Consistently(host.Attempts).WithTimeout(3 * time.Second).Should(Equal(before))
			Expect(s.versions(ctx)).To(Equal(versions))
			host.Set(targets.Serve)

			if s.maySeeSecrets(ctx) {
				Expect(client.IgnoreNotFound(admin.Delete(ctx, secret))).To(Succeed())
				s.credentials(ctx, "checks", map[string]string{"token": "Bearer two"})
			} else {
				s.grantSecrets(ctx)
			}
			s.expectCondition(ctx, "payments", v1alpha1.ConditionCredentialsUnavailable, BeZero())
			Eventually(host.Attempts).Should(BeNumerically(">", before))
			Expect(s.versions(ctx)).To(Equal(versions))
		},
		Entry("the Secret is deleted", func(ctx context.Context, secret *corev1.Secret, _ *rbacv1.RoleBinding) {
			Expect(admin.Delete(ctx, secret)).To(Succeed())
		}, v1alpha1.ReasonSecretNotFound, "create it", v1alpha1.SecretTypeCheckCredentials, `"token"`),
		Entry("it is not meant for checks", func(ctx context.Context, secret *corev1.Secret, _ *rbacv1.RoleBinding) {
			Expect(admin.Delete(ctx, secret)).To(Succeed())
			s.secret(ctx, "checks", corev1.SecretTypeOpaque, map[string]string{"token": "Bearer one"})
		}, v1alpha1.ReasonSecretTypeMismatch, v1alpha1.SecretTypeCheckCredentials),
		Entry("it lacks the key", func(ctx context.Context, secret *corev1.Secret, _ *rbacv1.RoleBinding) {
			edit(ctx, secret, func(secret *corev1.Secret) { secret.Data = map[string][]byte{"tokens": []byte("Bearer one")} })
		}, v1alpha1.ReasonSecretKeyNotFound, `"token"`),
		Entry("its value is no header", func(ctx context.Context, secret *corev1.Secret, _ *rbacv1.RoleBinding) {
			edit(ctx, secret, func(secret *corev1.Secret) { secret.Data["token"] = []byte("Bearer one\r\nX-Injected: 1") })
		}, v1alpha1.ReasonInvalidSecretValue, `"token"`),
		Entry("the operator may not read it", func(ctx context.Context, _ *corev1.Secret, binding *rbacv1.RoleBinding) {
			Expect(admin.Delete(ctx, binding)).To(Succeed())
		}, v1alpha1.ReasonSecretForbidden, "RoleBinding", credentialsRole),
	)

	It("that are not there yet are waited for", func(ctx SpecContext) {
		s.grantSecrets(ctx)
		s.backend(ctx, "payments", sending("Authorization", "token"), entry("rack", "192.0.2.10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionCredentialsUnavailable, yes(v1alpha1.ReasonSecretNotFound))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Unhealthy", ConsistOf(HaveField("Reason", v1alpha1.ReasonSecretNotFound))))
		s.credentials(ctx, "checks", map[string]string{"token": "Bearer one"})
		s.expect(ctx, "payments", served)
		Expect(host.Received("Authorization")).To(Equal([]string{"Bearer one"}))
	})

	It("go on being sent while the API server is away, and are waited for by an operator that starts meanwhile", func(ctx SpecContext) {
		s.grantSecrets(ctx)
		s.credentials(ctx, "checks", map[string]string{"token": "Bearer one"})
		s.backend(ctx, "payments", sending("Authorization", "token"), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", served)
		versions := s.versions(ctx)
		o.requests.cause(secretsFail)
		before := host.Attempts()
		Eventually(host.Attempts).Should(BeNumerically(">", before+3))
		Expect(host.Received("Authorization")).To(Equal([]string{"Bearer one"}))
		Expect(unavailable(ctx, "payments")).To(BeZero())

		o.stop()
		o = ownOperator(operatorOptions{secretPeriod: soon, fault: secretsFail})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionCredentialsUnavailable, yes(v1alpha1.ReasonSecretUnread))
		before = host.Attempts()
		Consistently(host.Attempts).WithTimeout(3 * time.Second).Should(Equal(before))
		o.requests.cause(nil)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionCredentialsUnavailable, BeZero())
		Eventually(host.Attempts).Should(BeNumerically(">", before))
		Expect(s.versions(ctx)).To(Equal(versions))
	})

	It("of one namespace are never sent for another, however alike", func(ctx SpecContext) {
		here, there := s, newScene(ctx)
		there.service(ctx, "payments")
		own := map[*scene]*targets.Host{here: here.host("192.0.2.11"), there: there.host("192.0.2.12")}
		for tenant, address := range map[*scene]string{here: "192.0.2.11", there: "192.0.2.12"} {
			tenant.grantSecrets(ctx)
			tenant.credentials(ctx, "checks", map[string]string{"token": tenant.namespace})
			tenant.backend(ctx, "payments", sending("X-Token", "token"), entry("rack", "192.0.2.10", address))
			tenant.expect(ctx, "payments", endpoints{"192.0.2.10": in, address: in})
		}
		for tenant, alone := range own {
			// The host of both is checked for each, with the value of each.
			Eventually(host.Received).WithArguments("X-Token").Should(Equal([]string{tenant.namespace}))
			Consistently(alone.Received).WithArguments("X-Token").Should(Equal([]string{tenant.namespace}))
		}
	})

	It("are not even read where policy does not allow them, and not sent any more once it does not", func(ctx SpecContext) {
		s.grantSecrets(ctx)
		s.credentials(ctx, "checks", map[string]string{"token": "Bearer one"})
		without := v1alpha1.PolicyChecks{}
		policy := s.policy(ctx, "narrow", allowing("192.0.2.0/24"), withChecks(without))
		s.enforced(ctx)
		s.backend(ctx, "plain", of("payments"), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", served)
		mark := audit.mark()
		s.backend(ctx, "payments", sending("Authorization", "token"), entry("rack", "192.0.2.20"))
		refused := no(v1alpha1.ReasonPolicyDenied, "secrets", policy.Name)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, refused)
		Consistently(s.secretReads).WithArguments(mark).Should(BeEmpty())

		other := s.host("192.0.2.20")
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks.Secrets = true })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.20": in})
		Expect(other.Received("Authorization")).To(Equal([]string{"Bearer one"}))
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks = without })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, refused)
		s.expect(ctx, "payments", served)
		before := other.Attempts()
		mark = audit.mark()
		Consistently(s.secretReads).WithArguments(mark).Should(BeEmpty())
		Expect(other.Attempts()).To(Equal(before))
	})
})

var _ = Describe("A Secret with credentials", func() {
	It("is read as the documentation sets it up", func(ctx SpecContext) {
		ownOperator(operatorOptions{secretPeriod: soon})
		s := newScene(ctx)
		host, certificate, err := network.SecureHost("192.0.2.10:8443", "payments.example.com")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { network.Remove("192.0.2.10:8443") })
		s.service(ctx, "payments")
		var want string
		for _, object := range documented("security.md") {
			object.SetNamespace(s.namespace)
			if object.GetKind() == "Secret" {
				want, _, err = unstructured.NestedString(object.Object, "stringData", "authorization")
				Expect(err).NotTo(HaveOccurred())
			}
			if object.GetKind() == "ExternalBackend" { // whose host has no certificate of a public authority
				checks := object.Object["spec"].(map[string]any)["healthCheck"].(map[string]any)["checks"].([]any)
				checks[0].(map[string]any)["tls"] = map[string]any{"caBundle": certificate}
			}
			Expect(admin.Create(ctx, object)).To(Succeed())
		}
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(host.Received("Authorization")).To(Equal([]string{want}))
	})

	It("is read by name and once, however many ExternalBackends and keys refer to it, and never listed", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		s.grantSecrets(ctx)
		s.credentials(ctx, "checks", map[string]string{"token": "one", "user": "two"})
		s.service(ctx, "payments")
		mark := audit.mark()
		both := func(eb *v1alpha1.ExternalBackend) {
			sending("X-Token", "token")(eb)
			headers := &eb.Spec.HealthCheck.Checks[0].HTTP.Headers
			*headers = append(*headers, v1alpha1.HTTPHeader{Name: "X-User", ValueFrom: &v1alpha1.HTTPHeaderSource{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "checks", Key: "user"}}})
		}
		want := endpoints{}
		for i, address := range numbered("192.0.2.10", 8) {
			host := s.host(address)
			want[address] = in
			s.backend(ctx, "payments-"+string(rune('a'+i)), of("payments"), both, entry("rack", address))
			s.expect(ctx, "payments", want)
			Expect(host.Received("X-Token")).To(Equal([]string{"one"}))
			Expect(host.Received("X-User")).To(Equal([]string{"two"}))
		}
		Expect(s.secretReads(mark)).To(Equal([]string{"get checks"}))
	})
})
