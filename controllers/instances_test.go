// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/targets"
)

// hostnames are those of the endpoints of a Service, by address.
func (s *scene) hostnames(ctx context.Context, service string) map[string]string {
	found := map[string]string{}
	for _, slice := range s.slicesOf(ctx, service) {
		for _, e := range slice.Endpoints {
			if e.Hostname != nil {
				found[e.Addresses[0]] = *e.Hostname
			}
		}
	}
	return found
}

var _ = Describe("EC2 instances", func() {
	var s *scene
	var f *fleet
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
	})

	It("are served by their tag, each under its id, and checked", func(ctx SpecContext) {
		a, b := f.run(s, "192.0.2.10"), f.run(s, "192.0.2.11")
		f.Run(fake.Instance{PrivateIP: "192.0.2.12", Tags: map[string]string{"App": "payments"}})
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		Expect(s.hostnames(ctx, "payments")).To(Equal(map[string]string{"192.0.2.10": a, "192.0.2.11": b}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.hosts["192.0.2.11:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})
	})

	DescribeTable("drain when they", func(ctx SpecContext, leave func(id string)) {
		id := f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		s.backend(ctx, "payments", f.selected("fleet"), drainFor("1h"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		leave(id)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in})
	},
		Entry("stop", func(id string) { f.Stop(id) }),
		Entry("have stopped", func(id string) { f.Stop(id); f.Settle(id) }),
		Entry("shut down", func(id string) { f.Terminate(id) }),
		Entry("lose the tag", func(id string) { f.Untag(id, "app") }),
		Entry("enter Standby", func(id string) {
			f.Update(id, func(i *fake.Instance) { i.Group, i.Lifecycle = "web", "Standby" })
		}),
		Entry("are taken out of their Auto Scaling group", func(id string) {
			f.Update(id, func(i *fake.Instance) { i.Group, i.Lifecycle = "web", "Terminating:Wait" })
		}),
	)

	It("are gone at once when they are terminated, since their address may be reused", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		s.backend(ctx, "payments", f.selected("fleet"), drainFor("1h"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		f.Terminate(id)
		f.Settle(id)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("that have the address of another one are not ready before their own checks pass", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		s.backend(ctx, "payments", f.selected("fleet"), drainFor("1h"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		f.Terminate(id)
		f.Settle(id)
		next := f.Run(fake.Instance{PrivateIP: "192.0.2.10", Tags: map[string]string{"app": "payments"}})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
		Eventually(s.hostnames).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", next))
		s.hosts["192.0.2.10:8080"].Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
	})
})
