// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// full returns objects of the Go types that together have every field.
func full() []*v1alpha1.ExternalBackend {
	everything := &v1alpha1.ExternalBackend{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "everything"},
		Spec: v1alpha1.ExternalBackendSpec{
			Service: v1alpha1.ServiceReference{Name: "payments", Management: v1alpha1.ServiceManaged, Template: &v1alpha1.ServiceTemplate{
				Labels: map[string]string{"example.com/team": "shop"}, Annotations: map[string]string{"example.com/scrape": "true"}, Headless: true,
				IPFamilyPolicy: new("PreferDualStack"), IPFamilies: []v1alpha1.IPFamily{"IPv6", "IPv4"}, TrafficDistribution: new("PreferSameZone"),
			}},
			Ports: []v1alpha1.BackendPort{{Name: "http", Port: 8080, ServicePort: new(int32(80)), Protocol: "TCP", AppProtocol: new("kubernetes.io/h2c")}},
			Targets: []v1alpha1.Target{{
				Name: "rack", IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.10", "2001:db8::10"}},
				Zone: "eu-west-1a", Tier: 7, State: v1alpha1.TargetDrain, Ports: []v1alpha1.TargetPort{{Name: "http", Port: 9090}},
			}, {
				Name: "legacy", State: v1alpha1.TargetActive, FQDN: &v1alpha1.FQDNTarget{
					Hostname: "_http._tcp.Example.com.", Resolution: v1alpha1.ResolutionSRV, MaxStale: new(v1alpha1.Duration("24h")), Port: "http",
				},
			}, {
				Name: "fleet", State: v1alpha1.TargetActive, EC2: fullInstances(v1alpha1.NetworkInterfaceSelector{
					Tag: &v1alpha1.InterfaceTag{Key: "traffic", Value: new("")},
				}),
			}, {
				Name: "second", State: v1alpha1.TargetActive, EC2: fullInstances(v1alpha1.NetworkInterfaceSelector{DeviceIndex: new(int32(0))}),
			}, {
				Name: "subnet", State: v1alpha1.TargetActive, EC2: fullInstances(v1alpha1.NetworkInterfaceSelector{SubnetID: new("subnet-01234567")}),
			}},
			Availability: &v1alpha1.Availability{
				MinHealthy: v1alpha1.MinHealthy{Count: 2, Percent: 50},
				Tiers:      v1alpha1.TierPolicy{Mode: v1alpha1.TierCumulative, ReturnDelay: "0s"},
			},
			Drain: v1alpha1.DrainPolicy{Duration: "0s"},
			HealthCheck: v1alpha1.HealthCheck{
				Interval: "10s", Timeout: new(v1alpha1.Duration("3s")), EdgeInterval: "2s", UnhealthyInterval: new(v1alpha1.Duration("20s")),
				HealthyThreshold: 4, UnhealthyThreshold: 5, InitialState: v1alpha1.InitialStateHealthy,
				Checks: []v1alpha1.Check{
					{Name: "tcp", Port: new(intstr.FromInt32(8081)), TCP: &v1alpha1.TCPCheck{}},
					{Name: "http", Port: new(intstr.FromString("http")), HTTP: &v1alpha1.HTTPCheck{
						Path: "/healthz", Method: "HEAD", Hostname: "app.example.com",
						Headers: []v1alpha1.HTTPHeader{
							{Name: "X-Health-Check", Value: new("<operator>")},
							{Name: "X-Empty", Value: new("")},
							{Name: "Authorization", ValueFrom: &v1alpha1.HTTPHeaderSource{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "checks", Key: "authorization"}}},
						},
						ExpectedStatuses: []v1alpha1.StatusRange{"200", "300-399"},
					}, TLS: &v1alpha1.CheckTLS{ServerName: "app.example.com", CABundle: certificate}},
					{
						Name: "any", HTTP: &v1alpha1.HTTPCheck{Path: "/", Method: "GET", ExpectedStatuses: []v1alpha1.StatusRange{"200"}, ExpectedBody: &v1alpha1.ExpectedBody{Contains: "<ok>"}},
						TLS: &v1alpha1.CheckTLS{InsecureSkipVerify: true},
					},
					{Name: "pattern", HTTP: &v1alpha1.HTTPCheck{
						Path: "/", Method: "GET", ExpectedStatuses: []v1alpha1.StatusRange{"200"}, ExpectedBody: &v1alpha1.ExpectedBody{Matches: "^<ok>$"},
					}},
				},
			},
		},
		Status: v1alpha1.ExternalBackendStatus{
			ObservedGeneration: 1,
			Conditions: []metav1.Condition{{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, Message: "everything is published",
				ObservedGeneration: 1, LastTransitionTime: whole(2026, time.January, 1),
			}},
			Service:   &v1alpha1.ServiceStatus{Name: "payments", UID: "8c0dd73e-4d0c-4d5a-a1f5-2d3a1e7a9d11"},
			Targets:   v1alpha1.TargetCounts{Total: 6, Healthy: 1, Unhealthy: 1, Unknown: 1, Draining: 1, Disabled: 1, Standby: 1},
			Sources:   []v1alpha1.SourceStatus{{Target: "rack", Addresses: 2, Problem: "one is denied", StaleSince: new(whole(2026, time.January, 3))}},
			Unhealthy: []v1alpha1.UnhealthyTarget{{Address: "192.0.2.10", Target: "rack", Reason: "UnexpectedStatus5xx", HTTPStatus: 503, Since: whole(2026, time.January, 2)}},
		},
	}
	unchecked := everything.DeepCopy()
	unchecked.Name = "unchecked"
	unchecked.Spec.HealthCheck.Checks = []v1alpha1.Check{{Name: "none", None: &v1alpha1.NoCheck{}}}
	return []*v1alpha1.ExternalBackend{everything, unchecked}
}

// whole is midnight of a day in the form that a decoder yields.
func whole(year int, month time.Month, day int) metav1.Time {
	return metav1.NewTime(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Local())
}

var _ = Describe("The Go types", func() {
	It("come back from the API server as they were sent, with every field of the schema", func(ctx SpecContext) {
		seen := map[string]bool{}
		for _, sent := range full() {
			stored := sent.DeepCopy()
			Expect(api.Create(ctx, stored)).To(Succeed())
			removeLater(stored)
			stored.Status = *sent.Status.DeepCopy()
			Expect(api.Status().Update(ctx, stored)).To(Succeed())

			read := &v1alpha1.ExternalBackend{}
			Expect(api.Get(ctx, client.ObjectKeyFromObject(sent), read)).To(Succeed())
			Expect(read.Spec).To(Equal(sent.Spec))
			Expect(read.Status).To(Equal(sent.Status))

			raw := &unstructured.Unstructured{}
			raw.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ExternalBackend"))
			Expect(api.Get(ctx, client.ObjectKeyFromObject(sent), raw)).To(Succeed())
			for _, part := range []string{"spec", "status"} {
				Expect(quoted(raw.Object[part])).To(MatchJSON(quoted(plain(sent)[part])), "the stored %s", part)
				visit(part, raw.Object[part], func(path string, _ any) { seen[place(path)] = true })
			}
		}
		for _, path := range backends.ownPaths() {
			Expect(seen).To(HaveKey(path), "no object of the Go types has a field that the schema has")
		}
		Expect(slices.Collect(maps.Keys(seen))).To(HaveLen(len(backends.ownPaths())), "the schema lacks a field of the Go types")
	})

	It("decode everything that the API server stores", func(ctx SpecContext) {
		stored := mustStore(ctx, set("status.observedGeneration", "1"))
		again, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed(stored))
		Expect(err).NotTo(HaveOccurred())
		for _, part := range []string{"spec", "status"} {
			Expect(quoted(again[part])).To(MatchJSON(quoted(stored.Object[part])))
		}
	})

	It("leave out what is not set", func() {
		minimal := &v1alpha1.ExternalBackend{Spec: v1alpha1.ExternalBackendSpec{
			Targets: []v1alpha1.Target{{Name: "rack", IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.10"}}}},
		}}
		Expect(json.Marshal(minimal)).To(MatchJSON(`{"spec": {"targets": [{"name": "rack", "ip": {"addresses": ["192.0.2.10"]}}]}}`))
	})
})

// plain encodes an object as JSON and decodes it into maps and lists.
func plain(object any) (decoded map[string]any) {
	GinkgoHelper()
	Expect(json.Unmarshal([]byte(quoted(object)), &decoded)).To(Succeed())
	return decoded
}
