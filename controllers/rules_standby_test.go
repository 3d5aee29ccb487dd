// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/discovery/ec2/sdk"
	"externalbackend.dev/operator/internal/discovery/static"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/metrics"
	"externalbackend.dev/operator/internal/probe"
	"externalbackend.dev/operator/internal/sliceplan"
)

// lagging is a client whose cache may still show a Service that is gone. What
// it creates is created by the admin: the operator's own requests must never be
// refused for want of a permission (rbac_test.go).
type lagging struct {
	client.Client
	shown *corev1.Service // nil: the cache is up to date
}

func (l *lagging) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return admin.Create(ctx, object, options...)
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
func standbyReconciler(ctx context.Context, ticks clock.PassiveClock) (*controllers.ServiceReconciler, *lagging) {
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
	running, stop := context.WithCancel(context.Background())
	DeferCleanup(stop)
	foreign, err := controllers.NewForeignCache(running, o.manager)
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer GinkgoRecover()
		Expect(foreign.Start(running)).To(Succeed())
	}()
	Expect(foreign.WaitForCacheSync(ctx)).To(BeTrue())
	reach := &controllers.Reach{Clock: clock.RealClock{}}
	go func() {
		defer GinkgoRecover()
		Expect(reach.Start(running)).To(Succeed())
	}()
	Eventually(reach.Scope).WithArguments("").ShouldNot(BeNil())
	r := &controllers.ServiceReconciler{
		Client: cache, Live: o.manager.GetAPIReader(), Foreign: foreign,
		Health:   probe.New(probe.Options{Guard: reach.Dial}),
		Literals: static.Resolve, Names: dns.New(dns.Options[health.Subscriber]{}), Guard: reach, Credentials: &controllers.Credentials{},
		Metrics: metrics.New(prometheus.NewRegistry(), func() metrics.CheckerStats { return metrics.CheckerStats{} },
			func() metrics.ResolverStats { return metrics.ResolverStats{} }, func() []metrics.SourceStats { return nil }),
		Instances: ec2.New(ec2.Options[health.Subscriber]{Connector: sdk.New(sdk.Options{})}), Identities: &controllers.Identities{}, Topology: &controllers.Topology{},
		Events:       o.manager.GetEventRecorder("externalbackend-operator"),
		Clock:        ticks,
		MaxEndpoints: sliceplan.DefaultMaxEndpoints,
		Reports:      rate.NewLimiter(rate.Inf, 0),
	}
	r.Report(running)
	return r, cache
}

var _ = Describe("A reconciler alone", func() {
	var s *scene
	var cache *lagging
	var clock *advanced
	var pass func(ctx context.Context) time.Duration
	// recorded is the UID of the Service that the only slice names.
	recorded := func(ctx context.Context) string {
		if list := s.slicesOf(ctx, "payments"); len(list) == 1 {
			return list[0].Annotations[sliceplan.ServiceUIDAnnotation]
		}
		return ""
	}
	BeforeEach(func(ctx SpecContext) {
		s = newScene(ctx)
		var r *controllers.ServiceReconciler
		clock = &advanced{}
		r, cache = standbyReconciler(ctx, clock)
		// pass reconciles once, and says when the next pass is due.
		pass = func(ctx context.Context) time.Duration {
			GinkgoHelper()
			result, err := r.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: s.namespace, Name: "payments"}})
			Expect(err).NotTo(HaveOccurred())
			return result.RequeueAfter
		}
	})
	// settle reconciles until slices are bound to the Service.
	settle := func(ctx context.Context, svc *corev1.Service) {
		GinkgoHelper()
		Eventually(func(ctx context.Context) string { pass(ctx); return recorded(ctx) }).WithContext(ctx).Should(Equal(string(svc.UID)))
	}

	It("does not bind slices to a Service that a lagging cache shows (rule 50)", func(ctx SpecContext) {
		first := s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		settle(ctx, first)

		Expect(admin.Delete(ctx, first.DeepCopy())).To(Succeed())
		second := s.service(ctx, "payments")
		Expect(admin.Delete(ctx, second.DeepCopy())).To(Succeed())
		third := s.service(ctx, "payments")
		versions := s.versions(ctx)
		cache.shown = second
		Eventually(pass).WithContext(ctx).Should(Equal(time.Second), "it looks again soon")
		Expect(s.versions(ctx)).To(Equal(versions))

		cache.shown = nil
		settle(ctx, third)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
	})

	It("misses a slice that is out of the cache's sight before it is told so (rule 5)", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		settle(ctx, svc)
		slice := s.slicesOf(ctx, "payments")[0]
		edit(ctx, slice.DeepCopy(), func(e *discoveryv1.EndpointSlice) { delete(e.Labels, discoveryv1.LabelManagedBy) })
		Eventually(func(ctx context.Context) error {
			return cache.Get(ctx, client.ObjectKeyFromObject(&slice), &discoveryv1.EndpointSlice{})
		}).WithContext(ctx).ShouldNot(Succeed())

		clock.advance(time.Minute) // nobody tells this reconciler that the cache has its own write
		pass(ctx)
		Expect(s.ours(ctx)).To(ConsistOf(slice.Name), "no other slice takes its place")
		Expect(s.slices(ctx)).To(ConsistOf(HaveField("UID", slice.UID)))
	})

	It("leaves a namespace to its deletion (rule 49)", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		settle(ctx, svc)
		Eventually(pass).WithContext(ctx).Should(BeZero())

		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})).To(Succeed())
		Expect(admin.Delete(ctx, new(s.slicesOf(ctx, "payments")[0]))).To(Succeed())
		// Whether the cache knows of that yet or not: nothing is tried again.
		Consistently(func(ctx context.Context) time.Duration {
			clock.advance(time.Second) // beyond the window
			return pass(ctx)
		}).WithContext(ctx).Should(BeZero())
		Expect(s.slices(ctx)).To(BeEmpty())
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionPublished)).To(yes(v1alpha1.ReasonPublished), "that is no failure")
	})
})
