// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
)

var _ = Describe("The greatest number of checks of a namespace", func() {
	DescribeTable("keeps addresses unchecked no longer than until there is room",
		func(ctx SpecContext, makeRoom func(context.Context, *v1alpha1.ExternalBackend)) {
			ownOperator(operatorOptions{maxChecks: 2})
			s, other := newScene(ctx), newScene(ctx)
			for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.20"} {
				s.host(address)
			}
			other.host("192.0.2.30")
			s.service(ctx, "first")
			s.service(ctx, "second")
			first := s.backend(ctx, "first", entry("rack", "192.0.2.10", "192.0.2.11"))
			s.expect(ctx, "first", endpoints{"192.0.2.10": in, "192.0.2.11": in})
			s.backend(ctx, "second", entry("rack", "192.0.2.20"))
			s.expect(ctx, "second", endpoints{"192.0.2.20": out})
			other.service(ctx, "payments")
			other.backend(ctx, "payments", entry("rack", "192.0.2.30"))
			other.expect(ctx, "payments", endpoints{"192.0.2.30": in}) // has its own number
			Expect(s.endpointsOf(ctx, "second")).To(Equal(endpoints{"192.0.2.20": out}))

			makeRoom(ctx, first)
			s.expect(ctx, "second", endpoints{"192.0.2.20": in})
		},
		Entry("because another ExternalBackend is deleted", func(ctx context.Context, first *v1alpha1.ExternalBackend) {
			Expect(admin.Delete(ctx, first)).To(Succeed())
		}),
		Entry("because another ExternalBackend has fewer addresses", func(ctx context.Context, first *v1alpha1.ExternalBackend) {
			edit(ctx, first, func(eb *v1alpha1.ExternalBackend) {
				ip := eb.Spec.Targets[0].IP
				ip.Addresses = ip.Addresses[:1]
			})
		}),
	)
})
