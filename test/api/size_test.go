// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// etcdLimit is etcd's default limit of a request, in bytes.
const etcdLimit = 3 << 19 // 1.5 MiB

// longest is a name of 63 characters that ends with a number.
func longest(n int) string { return fmt.Sprintf("%s%03d", letters64[:60], n) }

// address6 is the longest text of the nth IPv6 address: 45 characters.
func address6(n int) string {
	return fmt.Sprintf("2001:0db8:0000:0000:0000:%04x:192.168.100.100", n)
}

// largest is an ExternalBackend at every bound at once: 100 entries, 5000 addresses
// in 5 of them and 1000 instance ids and 500 values of filters in the others, 1000
// ports of their own, 100 ports, 8 checks with 128 KiB of
// certificates, and a Service with 32 labels and annotations.
func largest() *v1alpha1.ExternalBackend {
	backend := &v1alpha1.ExternalBackend{}
	backend.Namespace, backend.Name = namespace, letters64[:63]
	backend.Spec.Service = largestService()
	for i := range 100 {
		backend.Spec.Ports = append(backend.Spec.Ports, v1alpha1.BackendPort{
			Name: longest(i), Port: 65535, ServicePort: new(int32(65535 - i)), Protocol: "SCTP", AppProtocol: new(letters254[:189] + "/" + letters64[:63]),
		})
		entry := v1alpha1.Target{Name: longest(i), Zone: letters64[:63], Tier: 1000, State: v1alpha1.TargetDisabled}
		if i < 5 {
			entry.IP = &v1alpha1.IPTarget{}
			for n := range 1000 {
				entry.IP.Addresses = append(entry.IP.Addresses, v1alpha1.IPAddress(address6(1000*i+n)))
			}
		} else {
			entry.EC2 = largestInstances(i)
		}
		for n := range 10 {
			entry.Ports = append(entry.Ports, v1alpha1.TargetPort{Name: longest(10*(i%10) + n), Port: 65535})
		}
		backend.Spec.Targets = append(backend.Spec.Targets, entry)
	}
	backend.Spec.Availability = &v1alpha1.Availability{
		MinHealthy: v1alpha1.MinHealthy{Count: 10000, Percent: 100},
		Tiers:      v1alpha1.TierPolicy{Mode: v1alpha1.TierCumulative, ReturnDelay: "00000h00m09s00ms"},
	}
	backend.Spec.Drain.Duration = "00000h00m09s00ms"
	backend.Spec.HealthCheck.Timeout = new(v1alpha1.Duration("00000h00m02s00ms"))
	for i := range 8 {
		check := largestCheck(i)
		if i < 2 {
			check.TLS.CABundle = parsed(bundle(65536)).(string)
		}
		backend.Spec.HealthCheck.Checks = append(backend.Spec.HealthCheck.Checks, check)
	}
	return backend
}

// largestInstances is one of 95 entries that together have all instance ids, and all
// characters and values of filters, that there may be.
func largestInstances(n int) *v1alpha1.EC2Target {
	target := &v1alpha1.EC2Target{
		Region: v1alpha1.Region(letters64[:26] + "-aa-11"), IdentityRef: v1alpha1.AWSIdentityReference{Name: v1alpha1.IdentityName(letters254[:253])},
		Addresses: v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4Private, IPv6: v1alpha1.InstanceIPv6Primary, Secondary: v1alpha1.SecondaryInclude},
		NetworkInterface: v1alpha1.NetworkInterfaceSelector{
			Tag: &v1alpha1.InterfaceTag{Key: strings.Repeat("a", 128), Value: new(strings.Repeat("a", 256))},
		},
		DrainOn: []v1alpha1.InstanceDrainReason{v1alpha1.DrainOnImpairedStatus, v1alpha1.DrainOnScheduledEvent, v1alpha1.DrainOnSpotInterruption},
	}
	for i := range 10 {
		target.Selector.InstanceIDs = append(target.Selector.InstanceIDs, v1alpha1.InstanceID(fmt.Sprintf("i-%017d", 10*n+i)))
	}
	for i := range 5 {
		target.Selector.Filters = append(target.Selector.Filters, v1alpha1.InstanceFilter{
			Name: fmt.Sprintf("tag:%s%d", letters64[:24], i), Values: []v1alpha1.FilterValue{"aaaa"},
		})
	}
	return target
}

func largestService() v1alpha1.ServiceReference {
	template := &v1alpha1.ServiceTemplate{
		Labels: map[string]string{}, Annotations: map[string]string{}, Headless: true, IPFamilyPolicy: new("RequireDualStack"),
		IPFamilies: []v1alpha1.IPFamily{"IPv4", "IPv6"}, TrafficDistribution: new("PreferSameZone"),
	}
	for i := range 32 {
		key := strings.Repeat("a.", 126) + "a/" + longest(i)
		template.Labels[key], template.Annotations[key] = letters64[:63], strings.Repeat("a", 4096)
	}
	return v1alpha1.ServiceReference{Name: letters64[:63], Management: v1alpha1.ServiceManaged, Template: template}
}

func largestCheck(n int) v1alpha1.Check {
	http := &v1alpha1.HTTPCheck{Path: "/" + strings.Repeat("a", 1023), Hostname: letters254[:253] + ":65535"}
	for i := range 16 {
		http.Headers = append(http.Headers, v1alpha1.HTTPHeader{
			Name: fmt.Sprintf("%s%03d", strings.Repeat("a", 125), i), Value: new(strings.Repeat("a", 1024)),
		})
		http.ExpectedStatuses = append(http.ExpectedStatuses, v1alpha1.StatusRange(fmt.Sprintf("2%02d-299", i)))
	}
	return v1alpha1.Check{
		Name: longest(n), HTTP: http,
		TLS: &v1alpha1.CheckTLS{ServerName: letters254[:253]},
	}
}

// largestStatus is the most that the operator reports.
func largestStatus(backend *v1alpha1.ExternalBackend) v1alpha1.ExternalBackendStatus {
	status := v1alpha1.ExternalBackendStatus{
		ObservedGeneration: backend.Generation,
		Service:            &v1alpha1.ServiceStatus{Name: letters64[:63], UID: "8c0dd73e-4d0c-4d5a-a1f5-2d3a1e7a9d11"},
		Targets:            v1alpha1.TargetCounts{Total: 5000, Unhealthy: 5000, Draining: 5000, Disabled: 5000, Standby: 5000},
	}
	for _, name := range []string{
		v1alpha1.ConditionAccepted, v1alpha1.ConditionServiceResolved, v1alpha1.ConditionTargetsResolved,
		v1alpha1.ConditionPublished, v1alpha1.ConditionHealthy, v1alpha1.ConditionReady, v1alpha1.ConditionStalled, v1alpha1.ConditionConflict, v1alpha1.ConditionStale,
		v1alpha1.ConditionInstancesImpaired,
	} {
		status.Conditions = append(status.Conditions, metav1.Condition{
			Type: name, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAddressDenied, Message: strings.Repeat("a", 2048),
			ObservedGeneration: 1, LastTransitionTime: whole(2026, time.January, 1),
		})
	}
	for i := range 100 {
		status.Sources = append(status.Sources, v1alpha1.SourceStatus{Target: longest(i), Addresses: 1000, Problem: strings.Repeat("a", 1024), StaleSince: new(whole(2026, time.January, 1))})
	}
	for i := range 32 {
		status.Unhealthy = append(status.Unhealthy, v1alpha1.UnhealthyTarget{
			Address: address6(i), Target: longest(i), Reason: letters64, Since: whole(2026, time.January, 1),
		})
	}
	return status
}

var _ = Describe("The largest ExternalBackend", func() {
	// Server-side apply makes it larger still: it records who set which item.
	It("can be applied, reported about and edited, and stays well below the limit of etcd", func(ctx SpecContext) {
		object := &unstructured.Unstructured{Object: plain(largest())}
		object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ExternalBackend"))
		Expect(api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("largest"))).To(Succeed())
		removeLater(object)
		AddReportEntry("bytes of the spec", len(quoted(object.Object["spec"])))
		AddReportEntry("bytes stored after apply", len(quoted(object.Object)))

		backend := &v1alpha1.ExternalBackend{}
		Expect(api.Get(ctx, client.ObjectKeyFromObject(object), backend)).To(Succeed())
		reported := backend.DeepCopy()
		reported.Status = largestStatus(backend)
		wanted := reported.Status.DeepCopy()
		Expect(api.Status().Patch(ctx, reported, client.MergeFrom(backend))).To(Succeed())
		Expect(reported.Status).To(Equal(*wanted))

		reported.Spec.Targets[0].IP.Addresses[999] = "192.0.2.1"
		Expect(api.Update(ctx, reported)).To(Succeed())
		Expect(reported.Generation).To(Equal(int64(2)))
		Expect(reported.Spec.Targets[0].IP.Addresses[999]).To(Equal(v1alpha1.IPAddress("192.0.2.1")))
		Expect(reported.Status).To(Equal(*wanted))

		size := len(quoted(reported))
		AddReportEntry("bytes stored with status and a second author", size)
		Expect(size).To(BeNumerically("<", etcdLimit*9/10))
	})
})
