// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"externalbackend.dev/operator/test/rack"
)

// ledger has every write of an EndpointSlice in a scene's namespace since it was begun.
type ledger struct {
	scene *scene
	began time.Time

	mu     sync.Mutex
	writes []watch.Event
}

// watch begins a ledger. The case's other events follow: when they are over,
// expectUndisturbed looks at it.
func (s *scene) watch(ctx context.Context) *ledger {
	GinkgoHelper()
	endpointSlices := running.Cluster.Clientset().DiscoveryV1().EndpointSlices(s.namespace)
	list, err := endpointSlices.List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	watching, err := endpointSlices.Watch(context.WithoutCancel(ctx), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	Expect(err).NotTo(HaveOccurred())
	l := &ledger{scene: s, began: time.Now()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range watching.ResultChan() {
			l.mu.Lock()
			l.writes = append(l.writes, event)
			l.mu.Unlock()
		}
	}()
	DeferCleanup(func() {
		watching.Stop()
		<-done
	})
	return l
}

// expectUndisturbed checks that no request failed since the ledger was begun and
// that the operator works: it takes out a host that is killed now. All writes must
// be for that.
func (l *ledger) expectUndisturbed(ctx context.Context, victim *rack.Host) {
	GinkgoHelper()
	l.scene.flow.expectNoFailure(ctx, l.began)
	harm(victim, (*rack.Host).Kill)
	others := slices.DeleteFunc(slices.Clone(hosts), func(h *rack.Host) bool { return h == victim })
	l.scene.eventuallyServe(ctx, others...)
	flipped := time.Now()
	l.scene.flow.expectNoFailure(ctx, flipped)

	l.mu.Lock()
	defer l.mu.Unlock()
	Expect(l.writes).NotTo(BeEmpty())
	for _, write := range l.writes {
		Expect(write.Type).To(Equal(watch.Modified))
		want, got := map[string]bool{}, map[string]bool{}
		for _, endpoint := range write.Object.(*discoveryv1.EndpointSlice).Endpoints {
			address := endpoint.Addresses[0]
			got[address] = *endpoint.Conditions.Ready
			want[address] = address != victim.IP4.String() && address != victim.IP6.String()
		}
		Expect(got).To(Equal(want), "what a write says is ready, of %d since %s", len(l.writes), l.began.Format(time.TimeOnly))
	}
	AddReportEntry("writes", fmt.Sprintf("%d since the ledger was begun, all of them for %s", len(l.writes), victim.Name), ReportEntryVisibilityFailureOrVerbose)
}
