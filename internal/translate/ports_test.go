// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// Rules 11 to 18: which port of the targets serves each port of the Service.
func TestPorts(t *testing.T) {
	named := servicePort("web", 80, 0)
	named.TargetPort = intstr.FromString("http")
	h2c := servicePort("http", 80, 8080)
	h2c.AppProtocol = new("kubernetes.io/h2c")
	bare := corev1.ServicePort{Name: "http", Port: 80}
	http, https, dns := servicePort("http", 80, 8080), servicePort("https", 443, 8443), udp(servicePort("dns", 53, 5353))
	type specified = []v1alpha1.BackendPort
	for _, tt := range []struct {
		name     string
		spec     specified
		service  []corev1.ServicePort
		want     string
		reason   string
		culprits []string
	}{
		{
			name: "default: the numeric targetPort", service: []corev1.ServicePort{http, https, dns},
			want: "http:8080/TCP https:8443/TCP dns:5353/UDP",
		},
		{name: "default: rule 13, unnamed", service: []corev1.ServicePort{servicePort("", 80, 8080)}, want: ":8080/TCP"},
		{name: "default: rule 19, nothing filled in", service: []corev1.ServicePort{bare}, want: "http:80/TCP"},
		{name: "default: rule 18, the appProtocol of the Service", service: []corev1.ServicePort{h2c}, want: "http:8080/TCP=kubernetes.io/h2c"},
		{
			name: "default: rule 14, a named targetPort is left out", service: []corev1.ServicePort{named, http}, want: "http:8080/TCP",
			reason: v1alpha1.ReasonTargetPortNamed, culprits: []string{`Service "payments"`, `"web"`, `targetPort "http"`, "spec.ports"},
		},
		{
			name: "default: all targetPorts named", service: []corev1.ServicePort{named},
			reason: v1alpha1.ReasonTargetPortNamed, culprits: []string{`"web"`},
		},

		{
			name: "by name", spec: specified{{Name: "https", Port: 1443}, {Name: "http", Port: 1080}}, service: []corev1.ServicePort{http, https},
			want: "http:1080/TCP https:1443/TCP",
		},
		{
			name: "only what is listed is published", spec: specified{{Name: "https", Port: 1443}}, service: []corev1.ServicePort{http, https},
			want: "https:1443/TCP",
		},
		{name: "rule 13: unnamed", spec: specified{{Port: 1080}}, service: []corev1.ServicePort{servicePort("", 80, 8080)}, want: ":1080/TCP"},
		{name: "a named targetPort is resolved", spec: specified{{Name: "web", Port: 1080}}, service: []corev1.ServicePort{named}, want: "web:1080/TCP"},
		{name: "UDP", spec: specified{{Name: "dns", Port: 53, Protocol: v1alpha1.ProtocolUDP}}, service: []corev1.ServicePort{dns}, want: "dns:53/UDP"},
		{
			name: "SCTP", spec: specified{{Name: "s", Port: 1, Protocol: v1alpha1.ProtocolSCTP}},
			service: []corev1.ServicePort{{Name: "s", Port: 9, Protocol: corev1.ProtocolSCTP}}, want: "s:1/SCTP",
		},
		{
			name: "rule 18: appProtocol of the spec goes first", spec: specified{{Name: "http", Port: 1, AppProtocol: new("https")}},
			service: []corev1.ServicePort{h2c}, want: "http:1/TCP=https",
		},
		{
			name: "rule 18: else that of the Service", spec: specified{{Name: "http", Port: 1}},
			service: []corev1.ServicePort{h2c}, want: "http:1/TCP=kubernetes.io/h2c",
		},
		{
			name: "the ends of the range", spec: specified{{Name: "http", Port: 1}, {Name: "https", Port: 65535}},
			service: []corev1.ServicePort{http, https}, want: "http:1/TCP https:65535/TCP",
		},

		{
			name: "an unknown name", spec: specified{{Name: "http", Port: 1080}, {Name: "htpp", Port: 1081}}, service: []corev1.ServicePort{http, https},
			want: "http:1080/TCP", reason: v1alpha1.ReasonPortNotFound,
			culprits: []string{`"htpp" (TCP)`, `Service "payments"`, `"http" (TCP)`, `"https" (TCP)`},
		},
		{
			name: "unnamed against named", spec: specified{{Port: 1080}}, service: []corev1.ServicePort{http},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`"" (TCP)`, `"http" (TCP)`},
		},
		{
			name: "named against unnamed", spec: specified{{Name: "http", Port: 1080}}, service: []corev1.ServicePort{servicePort("", 80, 80)},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`"http" (TCP)`, `"" (TCP)`},
		},
		{
			name: "rule 13: another protocol", spec: specified{{Name: "dns", Port: 53}}, service: []corev1.ServicePort{dns},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`"dns" (TCP)`, `"dns" (UDP)`},
		},
		{
			name: "rule 11: port 0", spec: specified{{Name: "http", Port: 0}, {Name: "https", Port: 1443}}, service: []corev1.ServicePort{http, https},
			want: "https:1443/TCP", reason: v1alpha1.ReasonPortNotFound, culprits: []string{`"http" with port 0`, "between 1 and 65535"},
		},
		{
			name: "rule 11: port 70000", spec: specified{{Name: "http", Port: 70000}}, service: []corev1.ServicePort{http},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`"http" with port 70000`},
		},
		{
			name: "rule 11: a negative port", spec: specified{{Name: "http", Port: -1}}, service: []corev1.ServicePort{http},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`"http" with port -1`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eb := backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = tt.spec })
			b := translate.ForService(eb, service(tt.service...), 0)
			if got := portsText(t, b.PortSets[0]); len(b.PortSets) != 1 || got != tt.want {
				t.Errorf("ports %q, want %q", got, tt.want)
			}
			checkProblem(t, b.ServiceProblem, tt.reason, tt.culprits...)
			if b.Publishable != (tt.want != "") || b.Portless { // rule 15
				t.Errorf("publishable: %t, portless: %t", b.Publishable, b.Portless)
			}
		})
	}
}

// Rule 15: endpoints without ports exist only behind headless Services.
func TestServiceWithoutPorts(t *testing.T) {
	for _, tt := range []struct {
		name        string
		clusterIP   string
		ports       []v1alpha1.BackendPort
		publishable bool
		reason      string
	}{
		{name: "headless", clusterIP: corev1.ClusterIPNone, publishable: true},
		{name: "with a cluster IP", clusterIP: "10.96.0.1"},
		{
			name: "headless, but ports are named", clusterIP: corev1.ClusterIPNone, ports: []v1alpha1.BackendPort{{Name: "http", Port: 80}},
			publishable: true, reason: v1alpha1.ReasonPortNotFound,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			svc := service()
			svc.Spec.Ports, svc.Spec.ClusterIP = nil, tt.clusterIP
			b := translate.ForService(backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = tt.ports }), svc, 0)
			if len(b.PortSets) != 1 || len(b.PortSets[0]) != 0 || b.Publishable != tt.publishable || b.Portless != tt.publishable {
				t.Errorf("ports %v, publishable %t, portless %t, want none and %t", b.PortSets, b.Publishable, b.Portless, tt.publishable)
			}
			checkProblem(t, b.ServiceProblem, tt.reason)
			if tt.reason != "" {
				checkProblem(t, b.ServiceProblem, tt.reason, "no ports", `"http"`)
			}
		})
	}
}

func TestTargetPorts(t *testing.T) {
	b := translate.ForService(backend(), service(servicePort("http", 80, 8080), udp(servicePort("dns", 53, 5353))), 0)
	want := []target.Port{{Name: "http", Protocol: "TCP", Number: 8080}, {Name: "dns", Protocol: "UDP", Number: 5353}}
	// Those of a slice may have been edited by somebody.
	edited := append(b.PortSets[0], discoveryv1.EndpointPort{Name: new("unset")}, discoveryv1.EndpointPort{Protocol: new(corev1.ProtocolTCP)},
		discoveryv1.EndpointPort{Name: new("a"), Port: new(int32(1))})
	for name, ports := range map[string][]discoveryv1.EndpointPort{"resolved": b.PortSets[0], "edited": edited} {
		if diff := gocmp.Diff(want, translate.TargetPorts(ports)); diff != "" {
			t.Errorf("%s ports (-want +got):\n%s", name, diff)
		}
	}
}
