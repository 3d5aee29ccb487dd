// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/discovery/static"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/metrics"
	"externalbackend.dev/operator/internal/probe"
	"externalbackend.dev/operator/internal/sliceplan"
)

// lagging is a cache that still shows a Service which is gone.
type lagging struct {
	client.Client
	shown *corev1.Service // nil: it is up to date
}

func (l *lagging) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	svc, ok := object.(*corev1.Service)
	if !ok || l.shown == nil || key != client.ObjectKeyFromObject(l.shown) {
		return l.Client.Get(ctx, key, object, options...)
	}
	l.shown.DeepCopyInto(svc)
	return nil
}

// standbyReconciler returns the reconciler of an operator that never leads:
// its cache is live, and nobody reconciles but the spec.
func standbyReconciler(ctx context.Context) (*controllers.ServiceReconciler, *lagging) {
	GinkgoHelper()
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: shipped.account.Namespace, Name: "controller.externalbackend.dev"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("nobody"), LeaseDurationSeconds: new(int32(3600)),
			AcquireTime: new(metav1.NowMicro()), RenewTime: new(metav1.NowMicro()),
		},
	}
	Expect(client.IgnoreNotFound(admin.Delete(ctx, lease.DeepCopy()))).To(Succeed())
	Expect(admin.Create(ctx, lease)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, lease)).To(Succeed()) })

	o := ownOperator(operatorOptions{leaderElection: true})
	cache := &lagging{Client: o.manager.GetClient()}
	vetted := guard.New(guard.Options{})
	r := &controllers.ServiceReconciler{
		Client: cache, Live: o.manager.GetAPIReader(),
		Health:   probe.New(probe.Options{Guard: vetted.Check}),
		Literals: static.Resolve, Guard: vetted,
		Metrics:      metrics.New(prometheus.NewRegistry(), func() metrics.CheckerStats { return metrics.CheckerStats{} }),
		Events:       o.manager.GetEventRecorder("externalbackend-operator"),
		Clock:        clock.RealClock{},
		MaxEndpoints: sliceplan.DefaultMaxEndpoints,
	}
	return r, cache
}

var _ = Describe("A slice of a Service that was deleted and created again", func() {
	It("is not bound to one that a lagging cache shows (rule 50)", func(ctx SpecContext) {
		s := newScene(ctx)
		r, cache := standbyReconciler(ctx)
		request := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: s.namespace, Name: "payments"}}
		// pass reconciles once, and says when the next pass is due.
		pass := func() time.Duration {
			GinkgoHelper()
			result, err := r.Reconcile(ctx, request)
			Expect(err).NotTo(HaveOccurred())
			return result.RequeueAfter
		}
		recorded := func() string {
			if list := s.slicesOf(ctx, "payments"); len(list) == 1 {
				return list[0].Annotations[sliceplan.ServiceUIDAnnotation]
			}
			return ""
		}
		first := s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		Eventually(func() string { pass(); return recorded() }).Should(Equal(string(first.UID)))

		Expect(admin.Delete(ctx, first.DeepCopy())).To(Succeed())
		second := s.service(ctx, "payments")
		Expect(admin.Delete(ctx, second.DeepCopy())).To(Succeed())
		third := s.service(ctx, "payments")
		versions := s.versions(ctx)

		cache.shown = second
		Expect(pass()).To(BeNumerically(">", 0), "it looks again soon")
		Expect(s.versions(ctx)).To(Equal(versions))

		cache.shown = nil
		Eventually(func() string { pass(); return recorded() }).Should(Equal(string(third.UID)))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
	})
})
