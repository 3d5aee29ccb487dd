// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/translate"
)

// withNames makes the targets names: a, b, c ...
func withNames(names ...v1alpha1.FQDNTarget) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = nil
		for i := range names {
			eb.Spec.Targets = append(eb.Spec.Targets, v1alpha1.Target{Name: string(rune('a' + i)), FQDN: &names[i]})
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 61)
	for _, tt := range []struct {
		name    string
		target  v1alpha1.FQDNTarget
		want    translate.FQDN
		host    string
		invalid string
	}{
		{
			name: "the least", target: v1alpha1.FQDNTarget{Hostname: "db.example.com"},
			want: translate.FQDN{Hostname: "db.example.com", Resolution: v1alpha1.ResolutionResolve}, host: "db.example.com",
		},
		{
			name: "in any case, with a dot", target: v1alpha1.FQDNTarget{Hostname: "DB.Example.COM.", Resolution: v1alpha1.ResolutionResolve, MaxStale: new(v1alpha1.Duration("168h"))},
			want: translate.FQDN{Hostname: "db.example.com", Resolution: v1alpha1.ResolutionResolve, MaxStale: 168 * time.Hour}, host: "db.example.com",
		},
		{
			name: "a service", target: v1alpha1.FQDNTarget{Hostname: "_HTTP._tcp.example.com", Resolution: v1alpha1.ResolutionSRV},
			want: translate.FQDN{Hostname: "_http._tcp.example.com", Resolution: v1alpha1.ResolutionSRV, Port: new("")},
		},
		{
			name: "passed through", target: v1alpha1.FQDNTarget{Hostname: "a.b", Resolution: v1alpha1.ResolutionPassthrough},
			want: translate.FQDN{Hostname: "a.b", Resolution: v1alpha1.ResolutionPassthrough}, host: "a.b",
		},
		{
			name: "the longest", target: v1alpha1.FQDNTarget{Hostname: long + "."},
			want: translate.FQDN{Hostname: long, Resolution: v1alpha1.ResolutionResolve}, host: long,
		},
		{name: "too long", target: v1alpha1.FQDNTarget{Hostname: long + "a"}, invalid: "253 characters"},
		{name: "one part", target: v1alpha1.FQDNTarget{Hostname: "payments."}, invalid: "no search list"},
		{name: "no part", target: v1alpha1.FQDNTarget{Hostname: "a..b"}, invalid: "1 to 63 letters"},
		{name: "letters that fold to ASCII", target: v1alpha1.FQDNTarget{Hostname: "\u212a.example"}, invalid: "1 to 63 letters"},
		{name: "an address", target: v1alpha1.FQDNTarget{Hostname: "0X7F.1"}, invalid: "reads as an IP address"},
		{name: "the caller", target: v1alpha1.FQDNTarget{Hostname: "a.LOCALHOST"}, invalid: "is the machine"},
		{name: "a service that is resolved", target: v1alpha1.FQDNTarget{Hostname: "_http._tcp.example.com"}, invalid: "resolution: SRV"},
		{name: "a port that is resolved", target: v1alpha1.FQDNTarget{Hostname: "a.b", Port: "http"}, invalid: "fqdn.port"},
		{name: "an unknown resolution", target: v1alpha1.FQDNTarget{Hostname: "a.b", Resolution: "MX"}, invalid: "fqdn.resolution"},
		{name: "a short bound", target: v1alpha1.FQDNTarget{Hostname: "a.b", MaxStale: new(v1alpha1.Duration("59s"))}, invalid: "fqdn.maxStale"},
		{name: "no bound", target: v1alpha1.FQDNTarget{Hostname: "a.b", MaxStale: new(v1alpha1.Duration("soon"))}, invalid: "fqdn.maxStale"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(withNames(tt.target)), service(), 0)
			e := &b.Entries[0]
			if tt.invalid != "" {
				if e.Invalid == nil || !strings.Contains(e.Invalid.Error(), tt.invalid) || e.FQDN != nil {
					t.Errorf("invalid %v, %+v, want %q", e.Invalid, e.FQDN, tt.invalid)
				}
				return
			}
			if e.Invalid != nil {
				t.Fatal(e.Invalid)
			}
			if diff := gocmp.Diff(&tt.want, e.FQDN); diff != "" || e.Host() != tt.host {
				t.Errorf("host %q, want %q, (-want +got):\n%s", e.Host(), tt.host, diff)
			}
		})
	}
	b := translate.ForService(backend(withNames(
		v1alpha1.FQDNTarget{Hostname: "a.b"}, v1alpha1.FQDNTarget{Hostname: "c.d", Resolution: v1alpha1.ResolutionPassthrough},
	)), service(), 0)
	if b.Entries[0].Invalid != nil || b.Entries[1].Invalid == nil || b.Passthrough() != nil {
		t.Errorf("a name that is passed through beside another: %+v", b.Entries)
	}
}

// FuzzHostname: whatever is accepted is in its one form, a name that the guard
// takes for one, and accepted again.
func FuzzHostname(f *testing.F) {
	for _, seed := range []string{"db.example.com", "DB.example.", "_a._b.c", "a.0x", "127.0.0.1", "a.localhost", "\u212a.a", "a.-b", "xn--a.b", "a.b..", "1.2.3.4.5"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	matcher, err := guard.Compile(guard.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, service bool) {
		target := v1alpha1.FQDNTarget{Hostname: text}
		if service {
			target.Resolution = v1alpha1.ResolutionSRV
		}
		entry := translate.ForService(backend(withNames(target)), nil, 0).Entries[0]
		if (entry.FQDN == nil) == (entry.Invalid == nil) {
			t.Fatalf("%+v", entry)
		}
		if entry.FQDN == nil {
			return
		}
		name := entry.FQDN.Hostname
		if strings.TrimSuffix(strings.ToLower(text), ".") != name {
			t.Errorf("%q has become %q", text, name)
		}
		if denied := matcher.Scope("shop").Hostname(name); denied != nil {
			for _, why := range []string{"characters", "only ASCII", "reads as", "without a dot"} {
				if strings.Contains(denied.Error(), why) {
					t.Errorf("%q: %v", name, denied)
				}
			}
		}
		target.Hostname = name
		if again := translate.ForService(backend(withNames(target)), nil, 0).Entries[0]; again.FQDN == nil || again.FQDN.Hostname != name {
			t.Errorf("%q is not its own canonical form: %+v", name, again)
		}
	})
}

func headlessService(ports ...corev1.ServicePort) *corev1.Service {
	svc := service(ports...)
	svc.Spec.ClusterIP = corev1.ClusterIPNone
	return svc
}

// TestPassthrough: rule 29, a name is published on headless Services only.
func TestPassthrough(t *testing.T) {
	eb := backend(withNames(v1alpha1.FQDNTarget{Hostname: "db.example.com", Resolution: v1alpha1.ResolutionPassthrough}))
	b := translate.ForService(eb, headlessService(), 0)
	if b.ServiceProblem != nil || !b.Publishable || b.Passthrough() == nil || b.Passthrough().FQDN.Hostname != "db.example.com" {
		t.Errorf("%+v", b)
	}
	checkProblem(t, b.ServiceWarning, v1alpha1.ReasonPassthroughDeprecated, `"payments"`, "deprecated", "kube-proxy")

	b = translate.ForService(eb, service(), 0)
	checkProblem(t, b.ServiceProblem, v1alpha1.ReasonServiceNotHeadless, `"payments"`, "clusterIP: None")
	if b.Publishable {
		t.Error("a name is published on a Service with a cluster IP")
	}
	checkProblem(t, translate.ForService(eb, nil, 0).ServiceProblem, v1alpha1.ReasonServiceNotFound)
	resolved := translate.ForService(backend(withNames(v1alpha1.FQDNTarget{Hostname: "db.example.com"})), headlessService(), 0)
	if resolved.ServiceWarning != nil || resolved.ServiceProblem != nil || resolved.Passthrough() != nil {
		t.Errorf("a name that is resolved: %+v", resolved)
	}
}

// TestSRVPorts: the port of a record takes the place of the one that the entry
// names; the others stay.
func TestSRVPorts(t *testing.T) {
	http, https := servicePort("http", 80, 8080), servicePort("https", 443, 8443)
	web := servicePort("web", 80, 0)
	web.TargetPort = intstr.FromString("web")
	srv := func(port string) v1alpha1.FQDNTarget {
		return v1alpha1.FQDNTarget{Hostname: "_http._tcp.example.com", Resolution: v1alpha1.ResolutionSRV, Port: port}
	}
	for _, tt := range []struct {
		name     string
		service  *corev1.Service
		port     string
		spec     []v1alpha1.BackendPort
		own      []v1alpha1.TargetPort
		checks   []v1alpha1.Check
		want     string
		reason   string
		culprits []string
	}{
		{name: "the only port", service: service(), want: ":9000/TCP"},
		{name: "the only port, by name", service: service(http), port: "http", want: "http:9000/TCP"},
		{name: "one of two", service: service(http, https), port: "https", want: "http:8080/TCP https:9000/TCP"},
		{name: "the only one of spec.ports", service: service(http, https), spec: []v1alpha1.BackendPort{{Name: "https", Port: 1443}}, want: "https:9000/TCP"},
		{
			name: "beside ports of the entry", service: service(http, https), port: "http",
			own: []v1alpha1.TargetPort{{Name: "http", Port: 1}, {Name: "https", Port: 2}}, want: "http:9000/TCP https:2/TCP",
		},
		{name: "with a name as targetPort", service: service(web), want: "web:9000/TCP"},
		{name: "without any port", checks: []v1alpha1.Check{{Name: "none", None: &v1alpha1.NoCheck{}}}, service: func() *corev1.Service { s := headlessService(); s.Spec.Ports = nil; return s }(), want: ""},
		{
			name: "one that there is not", service: service(http), port: "htpp", want: "",
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`spec.targets[a].fqdn.port names "htpp"`, `"http" (TCP)`},
		},
		{
			name: "one that spec.ports leaves out", service: service(http, https), port: "https", spec: []v1alpha1.BackendPort{{Name: "http", Port: 1}}, want: "",
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{`"https"`},
		},
		{
			name: "none said of two", service: service(http, https), want: "",
			reason: v1alpha1.ReasonPortNotFound, culprits: []string{"spec.targets[a].fqdn has no port", `"http" (TCP), "https" (TCP)`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eb := backend(withNames(srv(tt.port)))
			eb.Spec.Ports, eb.Spec.Targets[0].Ports = tt.spec, tt.own
			eb.Spec.HealthCheck.Checks = tt.checks
			b := translate.ForService(eb, tt.service, 0)
			checkProblem(t, b.ServiceProblem, tt.reason, tt.culprits...)
			if b.SpecProblem != nil || !b.Publishable {
				t.Errorf("problem %+v, publishable %t", b.SpecProblem, b.Publishable)
			}
			set := b.SRVPorts(&b.Entries[0], 9000)
			if got := portsText(t, b.PortSets[set]); got != tt.want {
				t.Errorf("ports %q, want %q", got, tt.want)
			}
			if again := b.SRVPorts(&b.Entries[0], 9000); again != set {
				t.Errorf("the same port again: set %d, before %d", again, set)
			}
			if got := b.SRVPorts(&b.Entries[0], 0); got != b.Entries[0].Ports {
				t.Errorf("port 0 yields the set %d", got)
			}
			if len(b.Checks) != len(b.PortSets) {
				t.Errorf("checks of %d sets of %d", len(b.Checks), len(b.PortSets))
			}
		})
	}
}

// TestChecksOf names: they ask for the name and go to the port of each target,
// and are the same again.
func TestChecksOf(t *testing.T) {
	eb := backend(withNames(v1alpha1.FQDNTarget{Hostname: "_a._b.c", Resolution: v1alpha1.ResolutionSRV}), func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.HealthCheck.Checks = []v1alpha1.Check{
			{Name: "own", HTTP: &v1alpha1.HTTPCheck{}, TLS: &v1alpha1.CheckTLS{}},
			{Name: "custom", HTTP: &v1alpha1.HTTPCheck{Hostname: "custom.example"}, Port: new(intstr.FromInt32(80))},
		}
	})
	b := translate.ForService(eb, service(), 0)
	set := b.SRVPorts(&b.Entries[0], 9000)
	list := b.ChecksOf(set, "node-1.example")
	if len(list) != 2 || list[0].Hostname() != "node-1.example" || list[0].Port != 9000 || list[0].HTTP.Host != "" {
		t.Errorf("%+v", list)
	}
	if list[1] != b.Checks[set][1] || list[1].HTTP.Host != "custom.example" || list[1].Port != 80 {
		t.Errorf("%+v", list[1])
	}
	if again := b.ChecksOf(set, "node-1.example"); !slices.Equal(again, list) {
		t.Error("the same targets have other checks")
	}
	if other := b.ChecksOf(set, "node-2.example"); other[0].Digest() == list[0].Digest() {
		t.Error("another name has the same check")
	}
	if !slices.Equal(b.ChecksOf(set, ""), b.Checks[set]) {
		t.Error("a target without a name has other checks")
	}
	eb.Spec.HealthCheck.Interval = "never"
	broken := translate.ForService(eb, service(), 0)
	if got := broken.ChecksOf(broken.PortSet([]discoveryv1.EndpointPort(nil)), "node-1.example"); got != nil {
		t.Errorf("checks %v in spite of %+v", got, broken.SpecProblem)
	}
}

func TestTiers(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec *v1alpha1.Availability
		want health.TierPolicy
	}{
		{"left out", nil, health.TierPolicy{Count: 1, ReturnDelay: time.Minute}},
		{"empty", &v1alpha1.Availability{}, health.TierPolicy{Count: 1, ReturnDelay: time.Minute}},
		{"full", &v1alpha1.Availability{
			MinHealthy: v1alpha1.MinHealthy{Count: 3, Percent: 50},
			Tiers:      v1alpha1.TierPolicy{Mode: v1alpha1.TierCumulative, ReturnDelay: "0s"},
		}, health.TierPolicy{Count: 3, Percent: 50, Cumulative: true}},
		{"not actionable", &v1alpha1.Availability{Tiers: v1alpha1.TierPolicy{ReturnDelay: "-1s"}}, health.TierPolicy{Count: 1, ReturnDelay: time.Minute}},
	} {
		eb := backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Availability, eb.Spec.Targets[0].Tier = tt.spec, 7 })
		b := translate.ForService(eb, service(), 0)
		if b.Tiers != tt.want || b.Entries[0].Tier != 7 {
			t.Errorf("%s: %+v, tier %d, want %+v", tt.name, b.Tiers, b.Entries[0].Tier, tt.want)
		}
	}
}
