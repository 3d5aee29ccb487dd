// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// afterOutage bounds what has to wait for watches: their next attempt may be a
// minute away.
const afterOutage = 90 * time.Second

// One control plane serves all of these, and is well again after each.
var _ = Describe("A control plane", Ordered, func() {
	var c *controlPlane
	var s *scene
	var o *operator
	var dies, flaps *targets.Host
	var eb *v1alpha1.ExternalBackend
	BeforeAll(func(ctx SpecContext) { c = ownControlPlane(ctx) })
	BeforeEach(func(ctx SpecContext) {
		s = newScene(ctx)
		o = ownOperator(operatorOptions{})
		dies, flaps = s.host("192.0.2.10"), s.host("192.0.2.11")
		s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	})
	// eventually is expect after an outage.
	eventually := func(ctx context.Context, want endpoints) {
		GinkgoHelper()
		Eventually(s.endpointsOf).WithContext(ctx).WithTimeout(afterOutage).WithArguments("payments").Should(Equal(want))
	}
	signal := func(p interface{ Signal(syscall.Signal) error }, with syscall.Signal) {
		GinkgoHelper()
		Expect(p.Signal(with)).To(Succeed())
	}

	DescribeTable("that fails changes nothing that is published, and gets the latest verdicts and is obeyed when it is back",
		func(ctx SpecContext, fail, mend func(context.Context)) {
			slice := s.slicesOf(ctx, "payments")[0]
			tried := puts(o, s)
			fail(ctx)
			dies.Set(targets.Refuse)
			Eventually(func() int { return puts(o, s) }).WithTimeout(time.Minute).Should(BeNumerically(">=", tried+2), "the write is tried again")
			flaps.Set(targets.Refuse)
			noticed(flaps)
			flaps.Set(targets.Serve)
			noticed(flaps)
			mend(ctx)
			eventually(ctx, endpoints{"192.0.2.10": out, "192.0.2.11": in})
			// Whether a write that got no answer took effect or not: there is one that did.
			Expect(s.slicesOf(ctx, "payments")).To(HaveExactElements(And(
				HaveField("Name", slice.Name), HaveField("UID", slice.UID), HaveField("Generation", slice.Generation+1))))

			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
				eb.Spec.Targets[0].IP.Addresses = eb.Spec.Targets[0].IP.Addresses[1:]
			})
			eventually(ctx, endpoints{"192.0.2.11": in})
		},
		Entry("since the API server is killed and started again",
			func(context.Context) { c.killAPIServer() },
			func(ctx context.Context) { c.startAPIServer(ctx) }),
		Entry("since the API server stands still",
			func(context.Context) { signal(c.apiserver, syscall.SIGSTOP) },
			func(ctx context.Context) { signal(c.apiserver, syscall.SIGCONT); c.awaitAPIServer(ctx) }),
		Entry("since etcd is killed and started again",
			func(context.Context) { c.killEtcd() },
			func(ctx context.Context) { c.startEtcd(); c.awaitAPIServer(ctx) }),
		Entry("since etcd stands still",
			func(context.Context) { signal(c.etcd, syscall.SIGSTOP) },
			func(ctx context.Context) { signal(c.etcd, syscall.SIGCONT); c.awaitAPIServer(ctx) }),
	)

	It("that is restored from a backup is obeyed as it is then", func(ctx SpecContext) {
		c.killAPIServer()
		c.killEtcd()
		Expect(os.CopyFS(c.file("backup"), os.DirFS(c.file("etcd")))).To(Succeed())
		c.startEtcd()
		c.startAPIServer(ctx)
		s.host("192.0.2.12")
		dies.Set(targets.Refuse)
		edit(ctx, eb, entry("cage", "192.0.2.12"))
		eventually(ctx, endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.12": in})

		c.killAPIServer()
		c.killEtcd()
		// The watches of the operator come back when the API server is there again
		// in all respects: those that come earlier may be refused, and end for that.
		o.requests.cause(func(*http.Request, http.RoundTripper) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		})
		Expect(os.RemoveAll(c.file("etcd"))).To(Succeed())
		Expect(os.Rename(c.file("backup"), c.file("etcd"))).To(Succeed())
		c.startEtcd()
		c.startAPIServer(ctx)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "192.0.2.11": in}))
		o.requests.cause(nil)
		eventually(ctx, endpoints{"192.0.2.10": out, "192.0.2.11": in})
	})

	It("that loses the CRD is served again when it has it back", func(ctx SpecContext) {
		c.removeCRDs()
		eventually(ctx, endpoints{}) // its ExternalBackends went with it
		Eventually(func() bool { return apierrors.IsNotFound(admin.List(ctx, &v1alpha1.ExternalBackendList{})) }).Should(BeTrue())
		c.installCRDs()
		eb.ResourceVersion, eb.UID = "", ""
		Eventually(func() error { return admin.Create(ctx, eb.DeepCopy()) }).Should(Succeed())
		eventually(ctx, endpoints{"192.0.2.10": in, "192.0.2.11": in})
	})
})
