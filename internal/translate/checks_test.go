// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/translate"
)

var defaultTiming = health.Timing{
	Interval: 10 * time.Second, Timeout: 3 * time.Second, EdgeInterval: 3 * time.Second, UnhealthyInterval: 10 * time.Second,
}

func withChecks(checks ...v1alpha1.Check) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) { eb.Spec.HealthCheck.Checks = checks }
}

func tcpCheck(port *intstr.IntOrString) v1alpha1.Check {
	return v1alpha1.Check{Name: "tcp", Port: port, TCP: &v1alpha1.TCPCheck{}}
}

// TestCheckPort: the port that a check goes to.
func TestCheckPort(t *testing.T) {
	byName := func(name string) *intstr.IntOrString { return new(intstr.FromString(name)) }
	byNumber := func(n int32) *intstr.IntOrString { return new(intstr.FromInt32(n)) }
	http, https, dns := servicePort("http", 80, 8080), servicePort("https", 443, 8443), udp(servicePort("dns", 53, 5353))
	for _, tt := range []struct {
		name     string
		port     *intstr.IntOrString
		service  []corev1.ServicePort
		want     uint16
		reason   string
		culprits []string
	}{
		{name: "default: the only port", service: []corev1.ServicePort{servicePort("", 80, 8080)}, want: 8080},
		{name: "default: the first TCP port", service: []corev1.ServicePort{dns, https, http}, want: 8443},
		{
			name: "default: UDP only", service: []corev1.ServicePort{dns},
			reason: v1alpha1.ReasonCheckPortNotFound, culprits: []string{`check "tcp"`, "no TCP port", "number", "none"},
		},
		{name: "by name", port: byName("https"), service: []corev1.ServicePort{http, https}, want: 8443},
		{
			name: "by the name of a UDP port", port: byName("dns"), service: []corev1.ServicePort{http, dns},
			reason: v1alpha1.ReasonCheckPortNotFound, culprits: []string{`check "tcp"`, `port "dns"`, "TCP"},
		},
		{
			name: "by an unknown name", port: byName("admin"), service: []corev1.ServicePort{http},
			reason: v1alpha1.ReasonCheckPortNotFound, culprits: []string{`check "tcp"`, `port "admin"`, "number"},
		},
		{name: "by number, published", port: byNumber(8080), service: []corev1.ServicePort{http}, want: 8080},
		{name: "by number, not published", port: byNumber(9000), service: []corev1.ServicePort{http}, want: 9000},
		{name: "by number, UDP only", port: byNumber(9000), service: []corev1.ServicePort{dns}, want: 9000},
		{name: "the highest number", port: byNumber(65535), service: []corev1.ServicePort{http}, want: 65535},
		{
			name: "0", port: byNumber(0), service: []corev1.ServicePort{http},
			reason: v1alpha1.ReasonInvalidSpec, culprits: []string{`check "tcp"`, "port 0", "1 and 65535"},
		},
		{
			name: "65536", port: byNumber(65536), service: []corev1.ServicePort{http},
			reason: v1alpha1.ReasonInvalidSpec, culprits: []string{"port 65536"},
		},
		{
			name: "-1", port: byNumber(-1), service: []corev1.ServicePort{http},
			reason: v1alpha1.ReasonInvalidSpec, culprits: []string{"port -1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(withChecks(tcpCheck(tt.port))), service(tt.service...), 0)
			checkProblem(t, b.SpecProblem, tt.reason, tt.culprits...)
			checkProblem(t, b.ServiceProblem, "")
			if tt.reason != "" {
				if b.Checks != nil {
					t.Errorf("checks %v in spite of the problem", b.Checks)
				}
				return
			}
			if len(b.Checks) != 1 || len(b.Checks[0]) != 1 || b.Checks[0][0].Port != tt.want {
				t.Fatalf("checks %v, want one of port %d", b.Checks, tt.want)
			}
		})
	}
}

// TestCheckPortFollowsSpecPorts: the number is that on the targets.
func TestCheckPortFollowsSpecPorts(t *testing.T) {
	eb := backend(withChecks(tcpCheck(new(intstr.FromString("http")))), func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 1080}}
	})
	for name, svc := range map[string]*corev1.Service{"with the Service": service(servicePort("http", 80, 8080)), "without": nil} {
		if b := translate.ForService(eb, svc, 0); len(b.Checks) != 1 || b.Checks[0][0].Port != 1080 {
			t.Errorf("%s: checks %v, want one of port 1080", name, b.Checks)
		}
	}
}

// TestUnresolvedPortsAreNotBlamedOnChecks: only one condition names the
// culprit.
func TestUnresolvedPortsAreNotBlamedOnChecks(t *testing.T) {
	eb := backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "htpp", Port: 1080}} },
		withChecks(tcpCheck(new(intstr.FromString("http")))))
	for _, svc := range []*corev1.Service{nil, service(servicePort("http", 80, 8080))} {
		b := translate.ForService(eb, svc, 0)
		if b.Checks != nil || b.ServiceProblem == nil {
			t.Errorf("checks %v, problem with the Service %v", b.Checks, b.ServiceProblem)
		}
		checkProblem(t, b.SpecProblem, "")
	}
	eb.Spec.HealthCheck.Checks[0].Port = new(intstr.FromInt32(70000))
	checkProblem(t, translate.ForService(eb, nil, 0).SpecProblem, v1alpha1.ReasonInvalidSpec, "70000")
}

// TestCheckPortWhileNothingCanBePublished: what is published still goes on
// being checked where it is.
func TestCheckPortWhileNothingCanBePublished(t *testing.T) {
	published := func(edits ...func(*discoveryv1.EndpointPort)) []discoveryv1.EndpointPort {
		list := []discoveryv1.EndpointPort{
			{Name: new("dns"), Protocol: new(corev1.ProtocolUDP), Port: new(int32(5353))},
			{Name: new("web"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(7000))},
		}
		for _, edit := range edits {
			edit(&list[0])
		}
		return list
	}
	specified := v1alpha1.BackendPort{Name: "http", Port: 1080}
	for _, tt := range []struct {
		name      string
		service   *corev1.Service
		published []discoveryv1.EndpointPort
		want      uint16 // 0: no check
	}{
		{"no Service, nothing published", nil, nil, 1080},
		{"no Service", nil, published(), 7000},
		{"the port is gone", service(servicePort("other", 80, 8080)), published(), 7000},
		{"the port is gone, nothing published", service(servicePort("other", 80, 8080)), nil, 1080},
		{"the port is there", service(servicePort("http", 80, 8080)), published(), 1080},
		{"published by somebody without a name", nil, published(func(p *discoveryv1.EndpointPort) { p.Name = nil }), 1080},
		{"published by somebody without a protocol", nil, published(func(p *discoveryv1.EndpointPort) { p.Protocol = nil }), 1080},
		{"published by somebody without a number", nil, published(func(p *discoveryv1.EndpointPort) { p.Port = nil }), 1080},
		{"published by somebody with a wrong number", nil, published(func(p *discoveryv1.EndpointPort) { p.Port = new(int32(70000)) }), 1080},
		{"published without TCP", nil, published()[:1], 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eb := backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = []v1alpha1.BackendPort{specified} })
			b := translate.ForService(eb, tt.service, 0, tt.published...)
			checkProblem(t, b.SpecProblem, "")
			var got uint16
			if len(b.Checks) > 0 {
				got = b.Checks[0][0].Port
			}
			if got != tt.want {
				t.Errorf("port %d is checked, want %d", got, tt.want)
			}
		})
	}
}

func fromSecret(name, secret, key string) v1alpha1.HTTPHeader {
	return v1alpha1.HTTPHeader{Name: name, ValueFrom: &v1alpha1.HTTPHeaderSource{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: secret, Key: key}}}
}

func TestChecks(t *testing.T) {
	pemText := certificate(t)
	for _, tt := range []struct {
		name   string
		checks []v1alpha1.Check
		want   []*health.Check
	}{
		{name: "default", want: []*health.Check{{Kind: health.TCP, Port: 8080, Timing: defaultTiming}}},
		{name: "none", checks: []v1alpha1.Check{{Name: "none", None: &v1alpha1.NoCheck{}}}, want: []*health.Check{}},
		{
			name: "none beside another, which the API refuses", checks: []v1alpha1.Check{{Name: "none", None: &v1alpha1.NoCheck{}}, tcpCheck(nil)},
			want: []*health.Check{{Kind: health.TCP, Port: 8080, Timing: defaultTiming}},
		},
		{
			name: "http, nothing filled in", checks: []v1alpha1.Check{{Name: "http", HTTP: &v1alpha1.HTTPCheck{}}},
			want: []*health.Check{{Kind: health.HTTP, Port: 8080, Timing: defaultTiming, HTTP: &health.HTTPCheck{
				Method: "GET", Path: "/", ExpectedStatuses: []health.StatusRange{{From: 200, To: 399}},
			}}},
		},
		{name: "https, everything filled in", checks: []v1alpha1.Check{{
			Name: "http",
			HTTP: &v1alpha1.HTTPCheck{
				Path: "/healthz?full=1", Method: "HEAD", Hostname: "app.example:8443",
				Headers:          []v1alpha1.HTTPHeader{{Name: "X-Check", Value: new("1")}, {Name: "Accept", Value: new("*/*")}, {Name: "X-Empty", Value: new("")}, fromSecret("Authorization", "payments", "token")},
				ExpectedStatuses: []v1alpha1.StatusRange{"204", "300-302"},
			},
			TLS: &v1alpha1.CheckTLS{ServerName: "tls.example", CABundle: pemText},
		}}, want: []*health.Check{{
			Kind: health.HTTP, Port: 8080, Timing: defaultTiming,
			HTTP: &health.HTTPCheck{
				Method: "HEAD", Path: "/healthz?full=1", Host: "app.example:8443",
				Headers: []health.Header{
					{Name: "X-Check", Value: "1"},
					{Name: "Accept", Value: "*/*"},
					{Name: "X-Empty"},
					{Name: "Authorization", From: health.SecretKey{Namespace: "shop", Secret: "payments", Key: "token"}},
				},
				ExpectedStatuses: []health.StatusRange{{From: 204, To: 204}, {From: 300, To: 302}},
			},
			TLS: &health.TLSConfig{ServerName: "tls.example", CABundle: pemText},
		}}},
		{name: "a text in the body", checks: []v1alpha1.Check{{
			Name: "http", HTTP: &v1alpha1.HTTPCheck{ExpectedBody: &v1alpha1.ExpectedBody{Contains: "status: UP"}},
		}}, want: []*health.Check{{
			Kind: health.HTTP, Port: 8080, Timing: defaultTiming, HTTP: &health.HTTPCheck{
				Method: "GET", Path: "/", ExpectedStatuses: []health.StatusRange{{From: 200, To: 399}}, Body: &health.ExpectedBody{Contains: "status: UP"},
			},
		}}},
		{name: "an expression for the body", checks: []v1alpha1.Check{{
			Name: "http", HTTP: &v1alpha1.HTTPCheck{ExpectedBody: &v1alpha1.ExpectedBody{Matches: "status: (UP|OK)"}},
		}}, want: []*health.Check{{
			Kind: health.HTTP, Port: 8080, Timing: defaultTiming, HTTP: &health.HTTPCheck{
				Method: "GET", Path: "/", ExpectedStatuses: []health.StatusRange{{From: 200, To: 399}}, Body: &health.ExpectedBody{Matches: "status: (UP|OK)"},
			},
		}}},
		{name: "https without verification", checks: []v1alpha1.Check{{
			Name: "http", HTTP: &v1alpha1.HTTPCheck{}, TLS: &v1alpha1.CheckTLS{InsecureSkipVerify: true},
		}}, want: []*health.Check{{
			Kind: health.HTTP, Port: 8080, Timing: defaultTiming,
			HTTP: &health.HTTPCheck{Method: "GET", Path: "/", ExpectedStatuses: []health.StatusRange{{From: 200, To: 399}}},
			TLS:  &health.TLSConfig{InsecureSkipVerify: true},
		}}},
		{name: "several", checks: []v1alpha1.Check{tcpCheck(new(intstr.FromInt32(22))), tcpCheck(nil)}, want: []*health.Check{
			{Kind: health.TCP, Port: 22, Timing: defaultTiming}, {Kind: health.TCP, Port: 8080, Timing: defaultTiming},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(withChecks(tt.checks...)), service(), 0)
			checkProblem(t, b.SpecProblem, "")
			if diff := gocmp.Diff([][]*health.Check{tt.want}, b.Checks, cmpopts.IgnoreUnexported(health.Check{})); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInvalidChecks: what the API server lets through from a CRD of another
// version must not stop more than this object, and be named.
func TestInvalidChecks(t *testing.T) {
	http := func(edit func(*v1alpha1.Check)) v1alpha1.Check {
		c := v1alpha1.Check{Name: "probe", HTTP: &v1alpha1.HTTPCheck{}}
		edit(&c)
		return c
	}
	statuses := func(text v1alpha1.StatusRange) v1alpha1.Check {
		return http(func(c *v1alpha1.Check) { c.HTTP.ExpectedStatuses = []v1alpha1.StatusRange{"200", text} })
	}
	body := func(contains, matches string) v1alpha1.Check {
		return http(func(c *v1alpha1.Check) {
			c.HTTP.ExpectedBody = &v1alpha1.ExpectedBody{Contains: contains, Matches: matches}
		})
	}
	for name, tt := range map[string]struct {
		check    v1alpha1.Check
		culprits []string
	}{
		"status text":       {statuses("ok"), []string{"expectedStatuses", `"ok"`}},
		"status empty":      {statuses(""), []string{"expectedStatuses", `""`}},
		"status open":       {statuses("200-"), []string{"expectedStatuses", `"200-"`}},
		"status negative":   {statuses("-200"), []string{"expectedStatuses", `"-200"`}},
		"status triple":     {statuses("200-300-400"), []string{"expectedStatuses", `"200-300-400"`}},
		"status descending": {statuses("299-200"), []string{"expectedStatuses", "299-200"}},
		"status too low":    {statuses("99"), []string{"expectedStatuses", "99-99"}},
		"status too high":   {statuses("200-600"), []string{"expectedStatuses", "200-600"}},
		"status overflow":   {statuses("99999999999999999999"), []string{"expectedStatuses"}},
		"method":            {http(func(c *v1alpha1.Check) { c.HTTP.Method = "DELETE" }), []string{"method", "DELETE"}},
		"path":              {http(func(c *v1alpha1.Check) { c.HTTP.Path = "no slash" }), []string{"path", "no slash"}},
		"path with newline": {http(func(c *v1alpha1.Check) { c.HTTP.Path = "/\r\nX: y" }), []string{"path"}},
		"host":              {http(func(c *v1alpha1.Check) { c.HTTP.Hostname = "a b" }), []string{"host", "a b"}},
		"header":            {http(func(c *v1alpha1.Check) { c.HTTP.Headers = []v1alpha1.HTTPHeader{{Name: "Host"}} }), []string{"headers", "Host"}},
		"body of HEAD": {
			http(func(c *v1alpha1.Check) {
				c.HTTP.Method, c.HTTP.ExpectedBody = "HEAD", &v1alpha1.ExpectedBody{Contains: "ok"}
			}),
			[]string{"expectedBody", "HEAD", "GET"},
		},
		"body without a demand":   {body("", ""), []string{"expectedBody", "exactly one"}},
		"body with two demands":   {body("ok", "ok"), []string{"expectedBody", "exactly one"}},
		"body text too long":      {body(strings.Repeat("x", 4097), ""), []string{"expectedBody.contains", "4096"}},
		"expression, unfinished":  {body("", "a("), []string{"expectedBody.matches", "missing closing )", "RE2"}},
		"expression, lookahead":   {body("", "(?=a)"), []string{"expectedBody.matches", "(?=", "RE2"}},
		"expression, repetitions": {body("", "(?:abc){999}"), []string{"expectedBody.matches", "too large", "1024", "contains"}},
		"server name": {
			http(func(c *v1alpha1.Check) { c.TLS = &v1alpha1.CheckTLS{ServerName: "a b"} }),
			[]string{"serverName", "a b"},
		},
		"CA bundle": {
			http(func(c *v1alpha1.Check) { c.TLS = &v1alpha1.CheckTLS{CABundle: "-----BEGIN CERTIFICATE-----"} }),
			[]string{"caBundle", "PEM"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := translate.ForService(backend(withChecks(tt.check)), service(), 0)
			checkProblem(t, b.SpecProblem, v1alpha1.ReasonInvalidSpec, append(tt.culprits, "spec.healthCheck.checks[probe]")...)
			checkProblem(t, b.ServiceProblem, "")
			if b.Checks != nil {
				t.Errorf("checks %v", b.Checks)
			}
		})
	}
}

// certificate makes a self-signed one.
func certificate(t testing.TB) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: created.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
