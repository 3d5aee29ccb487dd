// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scraper reads the metrics of an operator as Prometheus does.
type scraper struct {
	url, token string
	client     *http.Client
}

type scrape struct {
	Code int
	Body string
}

// newScraper makes a ServiceAccount, binds it to a ClusterRole unless that is
// empty, and takes its token.
func newScraper(ctx context.Context, o *operator, namespace, role string) *scraper {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "prometheus-"}}
	Expect(admin.Create(ctx, account)).To(Succeed())
	if role != "" {
		bind(ctx, account, role)
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the operator has made its certificate itself
		DisableKeepAlives: true,
	}
	return &scraper{
		url: o.metricsURL, token: tokenFor(ctx, namespace, account.Name), client: &http.Client{Transport: transport},
	}
}

// bind gives an account a ClusterRole, and waits until the API server knows.
func bind(ctx context.Context, account *corev1.ServiceAccount, role string) {
	GinkgoHelper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: account.Name + "-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}
	Expect(admin.Create(ctx, binding)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) error { return admin.Delete(ctx, binding) })
	Eventually(func(g Gomega) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:                  "system:serviceaccount:" + account.Namespace + ":" + account.Name,
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
		}}
		g.Expect(admin.Create(ctx, review)).To(Succeed())
		g.Expect(review.Status.Allowed).To(BeTrue())
	}).Should(Succeed())
}

func (s *scraper) get(ctx context.Context) scrape {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	Expect(err).NotTo(HaveOccurred())
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.client.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return scrape{response.StatusCode, string(body)}
}
