// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// withEntryPorts makes an entry of each list of ports: a, b, c ...
func withEntryPorts(lists ...[]v1alpha1.TargetPort) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = nil
		for i, ports := range lists {
			eb.Spec.Targets = append(eb.Spec.Targets, v1alpha1.Target{
				Name: string(rune('a' + i)), Ports: ports,
				IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{v1alpha1.IPAddress(fmt.Sprintf("192.0.2.%d", i+1))}},
			})
		}
	}
}

// TestEntryPorts: entries with ports of their own, by name, beside the usual
// ones.
func TestEntryPorts(t *testing.T) {
	named := servicePort("web", 80, 0)
	named.TargetPort = intstr.FromString("http")
	h2c := servicePort("http", 80, 8080)
	h2c.AppProtocol = new("kubernetes.io/h2c")
	http, https, dns := servicePort("http", 80, 8080), servicePort("https", 443, 8443), udp(servicePort("dns", 53, 5353))
	type list = []v1alpha1.TargetPort
	for _, tt := range []struct {
		name     string
		spec     []v1alpha1.BackendPort
		service  []corev1.ServicePort
		entries  []list
		sets     []string
		of       []int // the set of each entry
		reason   string
		culprits []string
	}{
		{
			name: "one of two ports", service: []corev1.ServicePort{http, https}, entries: []list{nil, {{Name: "https", Port: 9443}}},
			sets: []string{"http:8080/TCP https:8443/TCP", "http:8080/TCP https:9443/TCP"}, of: []int{0, 1},
		},
		{
			name: "over spec.ports, which stay for the others", spec: []v1alpha1.BackendPort{{Name: "http", Port: 1080}, {Name: "https", Port: 1443}},
			service: []corev1.ServicePort{http, https}, entries: []list{{{Name: "http", Port: 9080}}, nil},
			sets: []string{"http:1080/TCP https:1443/TCP", "http:9080/TCP https:1443/TCP"}, of: []int{1, 0},
		},
		{
			name: "unnamed", service: []corev1.ServicePort{servicePort("", 80, 8080)}, entries: []list{{{Port: 9080}}, nil},
			sets: []string{":8080/TCP", ":9080/TCP"}, of: []int{1, 0},
		},
		{
			name: "equal ones share a set", service: []corev1.ServicePort{http, https},
			entries: []list{
				{{Name: "http", Port: 1}},
				{{Name: "http", Port: 2}},
				{{Name: "http", Port: 1}},
				{{Name: "https", Port: 8443}, {Name: "http", Port: 1}},
			},
			sets: []string{"http:8080/TCP https:8443/TCP", "http:1/TCP https:8443/TCP", "http:2/TCP https:8443/TCP"}, of: []int{1, 2, 1, 1},
		},
		{
			name: "the usual numbers said again", service: []corev1.ServicePort{http}, entries: []list{{{Name: "http", Port: 8080}}},
			sets: []string{"http:8080/TCP"}, of: []int{0},
		},
		{
			name: "UDP and the ends of the range", service: []corev1.ServicePort{http, dns},
			entries: []list{{{Name: "dns", Port: 65535}, {Name: "http", Port: 1}}},
			sets:    []string{"http:8080/TCP dns:5353/UDP", "http:1/TCP dns:65535/UDP"}, of: []int{1},
		},
		{
			name: "the appProtocol of the Service stays", service: []corev1.ServicePort{h2c}, entries: []list{{{Name: "http", Port: 9080}}},
			sets: []string{"http:8080/TCP=kubernetes.io/h2c", "http:9080/TCP=kubernetes.io/h2c"}, of: []int{1},
		},
		{
			name: "the appProtocol of the spec stays", spec: []v1alpha1.BackendPort{{Name: "http", Port: 1080, AppProtocol: new("https")}},
			service: []corev1.ServicePort{h2c}, entries: []list{{{Name: "http", Port: 9080}}},
			sets: []string{"http:1080/TCP=https", "http:9080/TCP=https"}, of: []int{1},
		},
		{
			name: "a named targetPort that every entry resolves", service: []corev1.ServicePort{named},
			entries: []list{{{Name: "web", Port: 9080}}, {{Name: "web", Port: 9081}}},
			sets:    []string{"", "web:9080/TCP", "web:9081/TCP"}, of: []int{1, 2},
		},
		{
			name: "a named targetPort that one entry resolves", service: []corev1.ServicePort{named, https}, entries: []list{{{Name: "web", Port: 9080}}, nil},
			sets: []string{"https:8443/TCP", "web:9080/TCP https:8443/TCP"}, of: []int{1, 0},
			reason: v1alpha1.ReasonTargetPortNamed, culprits: []string{`"web" (targetPort "http")`, "spec.ports"},
		},
		{
			name: "the only port, which one entry resolves", service: []corev1.ServicePort{named}, entries: []list{nil, {{Name: "web", Port: 9080}}},
			sets: []string{"", "web:9080/TCP"}, of: []int{0, 1}, reason: v1alpha1.ReasonTargetPortNamed,
		},
		{
			name: "an unknown name beside a known one", service: []corev1.ServicePort{http},
			entries: []list{{{Name: "htpp", Port: 9080}, {Name: "http", Port: 9081}}},
			sets:    []string{"http:8080/TCP", "http:9081/TCP"}, of: []int{1},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`spec.targets[a].ports names "htpp"`, `Service "payments"`, `"http" (TCP)`},
		},
		{
			name: "a name that spec.ports leaves out", spec: []v1alpha1.BackendPort{{Name: "http", Port: 1080}},
			service: []corev1.ServicePort{http, https}, entries: []list{{{Name: "https", Port: 9443}}},
			sets: []string{"http:1080/TCP"}, of: []int{0},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`spec.targets[a].ports names "https", which spec.ports does not list`},
		},
		{
			name: "rule 11: 0 and 70000", service: []corev1.ServicePort{http},
			entries: []list{{{Name: "http", Port: 0}}, {{Name: "http", Port: 70000}}}, sets: []string{"http:8080/TCP"}, of: []int{0, 0},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{
				`spec.targets[a].ports names "http" with port 0, which is not between 1 and 65535`, `spec.targets[b].ports names "http" with port 70000`,
			},
		},
		{
			name: "rule 13: another protocol in spec.ports", spec: []v1alpha1.BackendPort{{Name: "dns", Port: 53}, {Name: "http", Port: 1080}},
			service: []corev1.ServicePort{http, dns}, entries: []list{{{Name: "dns", Port: 54}}}, sets: []string{"http:1080/TCP"}, of: []int{0},
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`spec.ports names "dns" (TCP)`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(withEntryPorts(tt.entries...), func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = tt.spec }), service(tt.service...), 0)
			var sets []string
			for _, set := range b.PortSets {
				sets = append(sets, portsText(t, set))
			}
			var of []int
			for _, entry := range b.Entries {
				of = append(of, entry.Ports)
			}
			if diff := gocmp.Diff(tt.sets, sets) + gocmp.Diff(tt.of, of); diff != "" {
				t.Errorf("sets and which each entry has (-want +got):\n%s", diff)
			}
			checkProblem(t, b.ServiceProblem, tt.reason, tt.culprits...)
			checkProblem(t, b.SpecProblem, "")
			if !b.Publishable || len(b.Checks) != len(tt.sets) {
				t.Errorf("publishable: %t, checks %v", b.Publishable, b.Checks)
			}
		})
	}
}

// TestChecksOfEntryPorts: each set is checked where it is published. One that
// has no ports has nothing to check, and does not stop the others.
func TestChecksOfEntryPorts(t *testing.T) {
	named := servicePort("web", 80, 0)
	named.TargetPort = intstr.FromString("http")
	entries := withEntryPorts(nil, []v1alpha1.TargetPort{{Name: "web", Port: 9080}}, []v1alpha1.TargetPort{{Name: "web", Port: 9081}})
	for _, tt := range []struct {
		name  string
		port  *intstr.IntOrString
		web   corev1.ServicePort
		wants []uint16
	}{
		{"the first port", nil, servicePort("web", 80, 8080), []uint16{8080, 9080, 9081}},
		{"by name", new(intstr.FromString("web")), servicePort("web", 80, 8080), []uint16{8080, 9080, 9081}},
		{"by number", new(intstr.FromInt32(22)), servicePort("web", 80, 8080), []uint16{22, 22, 22}},
		{"unresolved", nil, named, []uint16{0, 9080, 9081}},
		{"unresolved, by name", new(intstr.FromString("web")), named, []uint16{0, 9080, 9081}},
		{"unresolved, by number", new(intstr.FromInt32(22)), named, []uint16{22, 22, 22}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(entries, withChecks(tcpCheck(tt.port))), service(tt.web), 0)
			checkProblem(t, b.SpecProblem, "")
			if got := checkedPorts(b.Checks); gocmp.Diff(tt.wants, got) != "" {
				t.Errorf("checked: %v, want %v", got, tt.wants)
			}
		})
	}
	b := translate.ForService(backend(entries, withChecks(tcpCheck(new(intstr.FromString("admin"))))), service(named), 0)
	checkProblem(t, b.SpecProblem, v1alpha1.ReasonCheckPortNotFound, `"admin"`)
	if b.Checks != nil {
		t.Errorf("checks %v", b.Checks)
	}
}

// checkedPorts returns the port of the first check of each set, 0 without one.
func checkedPorts(sets [][]*health.Check) []uint16 {
	ports := make([]uint16, len(sets))
	for i, checks := range sets {
		if len(checks) > 0 {
			ports[i] = checks[0].Port
		}
	}
	return ports
}

func TestEntryPortsOfClaims(t *testing.T) {
	eb := backend(withEntryPorts(nil, []v1alpha1.TargetPort{{Name: "http", Port: 9080}}, []v1alpha1.TargetPort{{Name: "http", Port: 8080}}))
	b := translate.ForService(eb, service(servicePort("http", 80, 8080)), 0)
	want := map[string][]target.Port{"b": {{Name: "http", Protocol: "TCP", Number: 9080}}}
	if diff := gocmp.Diff(want, b.EntryPorts()); diff != "" {
		t.Errorf("ports of entries (-want +got):\n%s", diff)
	}
	for _, svc := range []*corev1.Service{nil, service()} {
		usual := translate.ForService(backend(), svc, 0)
		if got := usual.EntryPorts(); got != nil {
			t.Errorf("without ports of entries: %v", got)
		}
	}
}

// TestPortSet: an address that drains keeps its ports and is checked there.
func TestPortSet(t *testing.T) {
	port := func(name string, number int32, protocol corev1.Protocol) discoveryv1.EndpointPort {
		return discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &protocol}
	}
	type ports = []discoveryv1.EndpointPort
	named := servicePort("web", 80, 0)
	named.TargetPort = intstr.FromString("http")
	for _, tt := range []struct {
		name    string
		service corev1.ServicePort
		ports   ports
		index   int
		checked []uint16
	}{
		{"the usual ones", servicePort("web", 80, 8080), ports{port("web", 8080, "TCP")}, 0, []uint16{8080, 9080}},
		{"those of an entry", servicePort("web", 80, 8080), ports{port("web", 9080, "TCP")}, 1, []uint16{8080, 9080}},
		{"others", servicePort("web", 80, 8080), ports{port("web", 7000, "TCP")}, 2, []uint16{8080, 9080, 7000}},
		{"none to check", servicePort("web", 80, 8080), ports{port("dns", 53, "UDP")}, 2, []uint16{8080, 9080, 8080}},
		{"none to check, the usual ones neither", named, ports{port("dns", 53, "UDP")}, 2, []uint16{0, 9080, 9080}},
		{"no ports", servicePort("web", 80, 8080), nil, 2, []uint16{8080, 9080, 8080}},
		{"edited: no name", servicePort("web", 80, 8080), ports{{Port: new(int32(1)), Protocol: new(corev1.ProtocolTCP)}}, 0, []uint16{8080, 9080}},
		{"edited: no protocol", servicePort("web", 80, 8080), ports{{Port: new(int32(1)), Name: new("")}}, 0, []uint16{8080, 9080}},
		{"edited: all ports", servicePort("web", 80, 8080), ports{{Name: new(""), Protocol: new(corev1.ProtocolTCP)}}, 0, []uint16{8080, 9080}},
		{"edited: rule 11", servicePort("web", 80, 8080), ports{port("web", 8080, "TCP"), port("b", 70000, "TCP")}, 0, []uint16{8080, 9080}},
		{"edited, and the usual ones unresolved", named, ports{port("web", 0, "TCP")}, 1, []uint16{0, 9080}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(withEntryPorts(nil, []v1alpha1.TargetPort{{Name: "web", Port: 9080}})), service(tt.service), 0)
			for range 2 { // the second time it is there
				if got := b.PortSet(tt.ports); got != tt.index {
					t.Errorf("index %d, want %d", got, tt.index)
				}
				if got := checkedPorts(b.Checks); gocmp.Diff(tt.checked, got) != "" || len(b.PortSets) != len(b.Checks) {
					t.Errorf("checked: %v of %v, want %v", got, b.PortSets, tt.checked)
				}
			}
		})
	}
	b := translate.ForService(backend(withDurations([4]v1alpha1.Duration{"x"})), service(), 0)
	if i := b.PortSet(ports{port("", 7000, "TCP")}); i != 1 || b.Checks != nil {
		t.Errorf("without checks: index %d, checks %v", i, b.Checks)
	}
}
