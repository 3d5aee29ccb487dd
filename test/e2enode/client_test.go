// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	podclient "externalbackend.dev/operator/test/node/client"
	"externalbackend.dev/operator/test/traffic"
)

const (
	// enough is how many requests are sent to see where they go: with four hosts,
	// one is missed by chance in one of 10^9 cases.
	enough = 80
	// rate is how many requests a flow starts in a second.
	rate = 100
)

// pod is the client in a Pod, for all cases.
var pod podclient.Remote

// startPod starts the client's Pod and waits until it answers.
func startPod(ctx context.Context) {
	GinkgoHelper()
	started := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "client"},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers: []corev1.Container{{
				Name: "client", Image: "localhost/client:1", ImagePullPolicy: corev1.PullNever,
				ReadinessProbe: &corev1.Probe{
					PeriodSeconds: 1,
					ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
						Path: "/healthz", Port: intstr.FromInt32(podclient.Port),
					}},
				},
			}},
		},
	}
	Eventually(func() error { // until its ServiceAccount is there
		return api.Create(ctx, started)
	}).WithContext(ctx).Should(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(api.Get(ctx, client.ObjectKeyFromObject(started), started)).To(Succeed())
		g.Expect(ready(*started)).To(BeTrue(), "%+v", started.Status)
	}).WithContext(ctx).Should(Succeed())
	pod.Address = netip.AddrPortFrom(netip.MustParseAddr(started.Status.PodIP), podclient.Port)
}

// ready says whether a Pod is.
func ready(p corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// clusterIPs returns the Service's port on each of its addresses.
func clusterIPs(service *corev1.Service, port uint16) []netip.AddrPort {
	var to []netip.AddrPort
	for _, ip := range service.Spec.ClusterIPs {
		to = append(to, netip.AddrPortFrom(netip.MustParseAddr(ip), port))
	}
	return to
}

// answerers sends enough requests from the Pod, which must all be answered, and
// returns who did.
func answerers(ctx context.Context, to string) []string {
	GinkgoHelper()
	by, err := collect(func() (traffic.Answer, error) { return pod.Fetch(ctx, to) })
	Expect(err).NotTo(HaveOccurred(), "a request to %s", to)
	return by
}

// collect sends enough requests and returns who answered.
func collect(fetch func() (traffic.Answer, error)) ([]string, error) {
	var by []string
	for range enough {
		answer, err := fetch()
		if err != nil {
			return nil, err
		}
		by = append(by, answer.Host)
	}
	slices.Sort(by)
	return slices.Compact(by), nil
}

// flow is what the Pod sends all the while.
type flow struct{ to []netip.AddrPort }

// startFlow lets the Pod send requests to the addresses in turn until the case ends.
func startFlow(ctx context.Context, to ...netip.AddrPort) *flow {
	GinkgoHelper()
	Expect(pod.StartFlow(ctx, rate, to...)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(pod.FinishFlow(ctx)).To(Succeed()) }, NodeTimeout(cleanBound))
	return &flow{to}
}

// expectNoFailure lets enough further requests come to an end, and those under
// way, and checks that of all that were started at a time or later none failed.
func (f *flow) expectNoFailure(ctx context.Context, since time.Time) podclient.Result {
	GinkgoHelper()
	now := time.Now()
	Eventually(func() (int, error) {
		result, err := pod.Flow(ctx, now)
		return result.Requests, err
	}).WithContext(ctx).Should(BeNumerically(">=", enough))
	Expect(pod.FinishFlow(ctx)).To(Succeed()) // a request that hangs counts too
	result, err := pod.Flow(ctx, since)
	Expect(err).NotTo(HaveOccurred())
	Expect(pod.StartFlow(ctx, rate, f.to...)).To(Succeed())
	Expect(result.Failures).To(BeEmpty(), "%d of %d requests since %s failed",
		len(result.Failures), result.Requests, since.Format(time.TimeOnly))
	AddReportEntry("traffic", fmt.Sprintf("%d requests, answered by %v", result.Requests, result.Hosts), ReportEntryVisibilityFailureOrVerbose)
	return result
}
