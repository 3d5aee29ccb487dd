// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
)

// confidential is what a host says that the author of an ExternalBackend must
// not learn by having it checked.
const confidential = "hunter2"

// sent keeps everything that an operator sends to the API server.
func sent(into *gbytes.Buffer) fault {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			defer body.Close()
			if _, err := io.Copy(into, body); err != nil {
				return nil, err
			}
		}
		return next.RoundTrip(r)
	}
}

var _ = Describe("What a host answers", func() {
	var (
		s              *scene
		o              *operator
		logged, posted *gbytes.Buffer
	)
	BeforeEach(func(ctx SpecContext) {
		logged, posted = gbytes.NewBuffer(), gbytes.NewBuffer()
		GinkgoWriter.TeeTo(logged)
		DeferCleanup(GinkgoWriter.ClearTeeWriters)
		o = ownOperator(operatorOptions{fault: sent(posted)})
		s = newScene(ctx)
		s.service(ctx, "payments")
		// As much as a policy can allow.
		s.policy(ctx, "all", granting(v1alpha1.PolicyChecks{
			CustomHost: true, Secrets: true, BodyMatching: true, InsecureSkipVerify: true, StatusDetail: v1alpha1.StatusDetailCode,
		}))
	})

	// recite makes a host that says something.
	recite := func(address, text string) {
		GinkgoHelper()
		s.host(address).Recite(text)
	}

	// reciteSecretly makes one that says it over TLS, with a certificate that says
	// something too, and returns that certificate.
	reciteSecretly := func(address, text string, names ...string) (certificate string) {
		GinkgoHelper()
		_, certificate, err := network.SecureHost(address+":8080", append(names, confidential+".example.com")...)
		Expect(err).NotTo(HaveOccurred())
		recite(address, text) // the one that is there now
		return certificate
	}

	// expectSilence looks for what hosts said wherever a user might.
	expectSilence := func(ctx SpecContext) {
		GinkgoHelper()
		for _, list := range []client.ObjectList{&v1alpha1.ExternalBackendList{}, &discoveryv1.EndpointSliceList{}, &corev1.ServiceList{}, &eventsv1.EventList{}} {
			Expect(admin.List(ctx, list, client.InNamespace(s.namespace))).To(Succeed())
			text, err := yaml.Marshal(list)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(text)).NotTo(ContainSubstring(confidential))
		}
		for _, registry := range []prometheus.Gatherer{o.metrics, ctrlmetrics.Registry} {
			families, err := registry.Gather()
			Expect(err).NotTo(HaveOccurred())
			Expect(families).NotTo(BeEmpty())
			for _, family := range families {
				Expect(family.String()).NotTo(ContainSubstring(confidential))
			}
		}
		Expect(string(logged.Contents())).To(And(ContainSubstring("Wrote EndpointSlice"), Not(ContainSubstring(confidential))))
		Expect(string(posted.Contents())).To(And(ContainSubstring(`"unhealthy"`), Not(ContainSubstring(confidential))))
	}

	It("is told as one of the known reasons and nowhere else", func(ctx SpecContext) {
		// In the order of their addresses, from 192.0.2.10 on.
		plain := []struct{ text, reason string }{
			{"HTTP/1.1 500 " + confidential + "\r\nServer: " + confidential + "\r\nSet-Cookie: " + confidential + "\r\n\r\n" + confidential, "UnexpectedStatus5xx"},
			{"HTTP/1.1 403 " + confidential + "\r\nWWW-Authenticate: " + confidential + "\r\n\r\n" + confidential, "UnexpectedStatus4xx"},
			{confidential + " 200 OK\r\n\r\n", "InvalidResponse"},
			{"HTTP/1.1 " + confidential + "\r\n\r\n", "InvalidResponse"},
			{"HTTP/1.1 200 OK\r\nContent-Length: " + confidential + "\r\n\r\n", "InvalidResponse"},
			{"HTTP/1.1 200 OK\r\n" + confidential + "\r\n\r\n", "InvalidResponse"},
			{"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + confidential + "\r\n\r\n", "InvalidResponse"},
			{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + confidential + "\r\n", "InvalidResponse"},
			{"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + confidential, "ConnectionClosed"},
			{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat(confidential, 16<<10/len(confidential)) + "\r\n\r\n", "ResponseTooLarge"},
		}
		var addresses, reasons []string
		for i, host := range plain {
			addresses = append(addresses, numbered("192.0.2.10", len(plain))[i])
			reasons = append(reasons, host.reason)
			recite(addresses[i], host.text)
		}
		recite("192.0.2.30", "HTTP/1.1 200 "+confidential+"\r\nX: "+confidential+"\r\n\r\n"+confidential)
		s.backend(ctx, "plain", of("payments"), entry("rack", append(addresses, "192.0.2.30")...))

		over := func(name, address string, config *v1alpha1.CheckTLS) {
			s.backend(ctx, name, of("payments"), entry("rack", address),
				check(v1alpha1.Check{Name: "https", HTTP: &v1alpha1.HTTPCheck{}, TLS: config}))
		}
		failing := "HTTP/1.1 500 " + confidential + "\r\n\r\n" + confidential
		reciteSecretly("192.0.2.40", failing, "pay.example.com")
		over("untrusted", "192.0.2.40", &v1alpha1.CheckTLS{ServerName: "pay.example.com"})
		certificate := reciteSecretly("192.0.2.41", failing)
		over("misnamed", "192.0.2.41", &v1alpha1.CheckTLS{ServerName: "pay.example.com", CABundle: certificate})
		reciteSecretly("192.0.2.42", failing)
		over("unverified", "192.0.2.42", &v1alpha1.CheckTLS{InsecureSkipVerify: true})
		recite("192.0.2.43", strings.Repeat(confidential, 10))
		over("no-tls", "192.0.2.43", &v1alpha1.CheckTLS{ServerName: "pay.example.com"})

		recite("192.0.2.44", "HTTP/1.1 200 OK\r\n\r\n"+confidential)
		s.backend(ctx, "searched", of("payments"), entry("rack", "192.0.2.44"), expecting(v1alpha1.ExpectedBody{Contains: "hunter1"}))
		recite("192.0.2.45", "HTTP/1.1 200 OK\r\n\r\n"+confidential)
		s.backend(ctx, "matched", of("payments"), entry("rack", "192.0.2.45"), expecting(v1alpha1.ExpectedBody{Matches: "hunter[013-9]"}))

		found := func(ctx SpecContext, name string) (reasons []string) {
			for _, host := range s.statusOf(ctx, name).Unhealthy {
				reasons = append(reasons, host.Reason)
			}
			return reasons
		}
		for name, want := range map[string][]string{
			"plain": reasons, "untrusted": {"CertificateUntrusted"}, "misnamed": {"CertificateNameMismatch"},
			"unverified": {"UnexpectedStatus5xx"}, "no-tls": {"TLSHandshakeFailed"},
			"searched": {"UnexpectedBody"}, "matched": {"UnexpectedBody"},
		} {
			Eventually(found).WithContext(ctx).WithArguments(name).Should(Equal(want), name)
			Eventually(s.warnings).WithContext(ctx).WithArguments(name).ShouldNot(BeEmpty())
		}
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.30", in))
		expectSilence(ctx)
	})

	It("with what a check sends it, is told nowhere else either", func(ctx SpecContext) {
		s.grantSecrets(ctx)
		s.credentials(ctx, "checks", map[string]string{"token": confidential, "broken": confidential + "\r\nX: " + confidential})
		recite("192.0.2.10", "HTTP/1.1 200 OK\r\n\r\n")
		recite("192.0.2.11", "HTTP/1.1 500 "+confidential+"\r\n\r\n")
		s.backend(ctx, "payments", sending("Authorization", "token"), entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})
		s.backend(ctx, "broken", of("payments"), sending("Authorization", "broken"), entry("rack", "192.0.2.12"))
		s.expectCondition(ctx, "broken", v1alpha1.ConditionCredentialsUnavailable, yes(v1alpha1.ReasonInvalidSecretValue))
		Eventually(s.warnings).WithContext(ctx).WithArguments("broken").Should(HaveKey(v1alpha1.ReasonInvalidSecretValue))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Unhealthy", HaveLen(1)))
		expectSilence(ctx)
	})

	It("sends a check nowhere else", func(ctx SpecContext) {
		elsewhere := s.host("192.0.2.99")
		for i, status := range []string{"301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"} {
			recite(numbered("192.0.2.10", 5)[i], "HTTP/1.1 "+status+"\r\nLocation: http://192.0.2.99:8080/"+confidential+
				"\r\nRefresh: 0; url=http://192.0.2.99:8080/\r\nAlt-Svc: h2=\"192.0.2.99:8080\"\r\n\r\n")
		}
		recite("192.0.2.20", "HTTP/1.1 302 Found\r\nLocation: //192.0.2.99:8080/"+confidential+"\r\n\r\n")
		s.backend(ctx, "followed", of("payments"), entry("rack", append(numbered("192.0.2.10", 5), "192.0.2.20")...),
			check(v1alpha1.Check{Name: "http", HTTP: &v1alpha1.HTTPCheck{ExpectedStatuses: []v1alpha1.StatusRange{"200-299"}}}))
		Eventually(func(ctx SpecContext) (reasons []string) {
			for _, host := range s.statusOf(ctx, "followed").Unhealthy {
				reasons = append(reasons, host.Reason)
			}
			return reasons
		}).WithContext(ctx).Should(And(HaveLen(6), HaveEach("UnexpectedStatus3xx")))
		Consistently(elsewhere.Attempts).Should(BeZero())
		expectSilence(ctx)
	})
})
