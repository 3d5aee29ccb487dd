// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// FuzzForService translates whatever an object may hold. The text is cut at
// newlines into the strings of the spec; flags choose its shape. What comes out
// can be acted on, or a problem says why not.
func FuzzForService(f *testing.F) {
	f.Add("10s\n3s\n2s\n10s\nhttp\n/healthz\nGET\nh\n200-299\nX-A\nb\n192.0.2.1", int32(8080), int32(80), uint16(0))
	f.Add("10s\n3s\n2s\n1h\nhttp\nhttp\nSRV\nh\n200-299\nX-A\nb\n_http._tcp.example.com", int32(8080), int32(80), uint16(3))
	f.Add("1s\n\n\n\n\n/\n\n\n200\n\n\n::1", int32(0), int32(70000), uint16(0xffff))
	f.Add("-1s\nx\n9999999h\n0\na\nb c\nPUT\na/b\n2-1\nHost\n\x00\n010.0.0.1", int32(-1), int32(65536), uint16(0x5a5a))
	f.Add("1h\n1h\n1h\n1h\ndns\n\n\n\n100-599\n\n\n", int32(65535), int32(1), uint16(0xa5a5))
	f.Fuzz(func(t *testing.T, text string, port, checkPort int32, flags uint16) {
		words := strings.Split(text, "\n")
		word := func(i int) string {
			if i < len(words) {
				return words[i]
			}
			return ""
		}
		flag := func(i int) bool { return flags&(1<<i) != 0 }
		published := []discoveryv1.EndpointPort{{Port: &port}}
		if flag(3) {
			published[0].Name, published[0].Protocol = new(word(5)), new(corev1.Protocol(word(6)))
		}
		b := translate.ForService(fuzzedBackend(word, flag, port, checkPort), fuzzedService(word, flag), 0, published...)
		b.SliceOwner()
		b.EntryPorts()
		b.PortSet(published)
		b.ChecksOf(b.SRVPorts(&b.Entries[0], uint16(port)), b.Entries[0].Host())
		if b.Checks == nil && b.SpecProblem == nil && b.Publishable {
			t.Error("nothing is checked and nobody says why")
		}
		if b.Checks != nil && b.SpecProblem != nil {
			t.Errorf("checks in spite of %v", b.SpecProblem)
		}
		if b.Checks != nil && len(b.Checks) != len(b.PortSets) {
			t.Errorf("checks %v of the ports %v", b.Checks, b.PortSets)
		}
		for _, set := range b.PortSets {
			portsText(t, set)
			translate.TargetPorts(set)
			for _, p := range set {
				if *p.Port < 1 || *p.Port > 65535 {
					t.Errorf("port %d is published", *p.Port)
				}
			}
		}
		for _, c := range slices.Concat(b.Checks...) {
			if tm := c.Timing; c.Port == 0 || tm.Timeout <= 0 || tm.Timeout > tm.Interval || tm.EdgeInterval < tm.Timeout || tm.UnhealthyInterval < tm.Timeout {
				t.Errorf("check that cannot be carried out: %+v", c)
			}
		}
		if b.Drain < 0 || b.Tiers.ReturnDelay < 0 || b.Entries[0].Ports >= len(b.PortSets) {
			t.Errorf("drain %v, ports %d of %d", b.Drain, b.Entries[0].Ports, len(b.PortSets))
		}
		for _, p := range []*translate.Problem{b.SpecProblem, b.ServiceProblem} {
			if p != nil && (p.Reason == "" || p.Message == "") {
				t.Errorf("problem without words: %+v", p)
			}
		}
	})
}

func fuzzedBackend(word func(int) string, flag func(int) bool, port, checkPort int32) *v1alpha1.ExternalBackend {
	eb := backend(withDurations([4]v1alpha1.Duration{
		v1alpha1.Duration(word(0)), v1alpha1.Duration(word(1)), v1alpha1.Duration(word(2)), v1alpha1.Duration(word(3)),
	}))
	eb.Spec.Targets[0].IP.Addresses = []v1alpha1.IPAddress{v1alpha1.IPAddress(word(11))}
	if flag(0) {
		eb.Spec.Targets[0].IP = nil
		eb.Spec.Targets[0].FQDN = &v1alpha1.FQDNTarget{
			Hostname: word(11), Resolution: v1alpha1.FQDNResolution(word(6)), MaxStale: new(v1alpha1.Duration(word(3))), Port: word(5),
		}
		if flag(1) {
			eb.Spec.Targets[0].FQDN.Resolution = v1alpha1.ResolutionSRV
		}
	}
	eb.Spec.Availability = &v1alpha1.Availability{Tiers: v1alpha1.TierPolicy{ReturnDelay: v1alpha1.Duration(word(2))}}
	if flag(1) {
		eb.Spec.Ports = []v1alpha1.BackendPort{{Name: word(4), Port: port, Protocol: v1alpha1.Protocol(word(6))}, {Name: word(5), Port: checkPort}}
	}
	if flag(12) {
		eb.Spec.Targets[0].Ports = []v1alpha1.TargetPort{{Name: word(4), Port: port}, {Name: word(5), Port: checkPort}}
		eb.Spec.Targets = append(eb.Spec.Targets, v1alpha1.Target{Name: word(6)})
	}
	eb.Spec.Drain.Duration = v1alpha1.Duration(word(1))
	check := v1alpha1.Check{Name: word(9)}
	switch {
	case flag(2):
		check.Port = new(intstr.FromString(word(4)))
	case flag(3):
		check.Port = new(intstr.FromInt32(checkPort))
	}
	switch {
	case flag(4):
		check.HTTP = &v1alpha1.HTTPCheck{
			Path: word(5), Method: word(6), Hostname: word(7), ExpectedStatuses: []v1alpha1.StatusRange{v1alpha1.StatusRange(word(8))},
			Headers: []v1alpha1.HTTPHeader{{Name: word(9), Value: new(word(10))}},
		}
	case flag(5):
		check.None = &v1alpha1.NoCheck{}
	case flag(6):
		check.TCP = &v1alpha1.TCPCheck{}
	}
	if flag(7) {
		check.TLS = &v1alpha1.CheckTLS{ServerName: word(7), CABundle: word(10), InsecureSkipVerify: flag(8)}
	}
	if flag(9) {
		eb.Spec.HealthCheck.Checks = []v1alpha1.Check{check, {Name: "none", None: &v1alpha1.NoCheck{}}}
	}
	return eb
}

func fuzzedService(word func(int) string, flag func(int) bool) *corev1.Service {
	if flag(10) {
		return nil
	}
	first, second := servicePort(word(4), 80, 8080), udp(servicePort("dns", 53, 5353))
	if flag(11) {
		first.TargetPort = intstr.FromString(word(5))
	}
	svc := service(first, second)
	if flag(12) {
		svc.Spec.Ports = svc.Spec.Ports[1:]
	}
	if flag(13) {
		svc.Spec.ClusterIP, svc.Spec.Ports = corev1.ClusterIPNone, nil
	}
	if flag(14) {
		svc.Spec.Type, svc.Spec.Ports = corev1.ServiceTypeExternalName, nil
	}
	if flag(15) {
		svc.Spec.Selector = map[string]string{"app": word(4)}
	}
	return svc
}
