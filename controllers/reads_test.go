// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("The API server is not asked again and again", func() {
	var s *scene
	var mark int
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})
	reads := func(resource string) (n int) {
		for _, request := range audit.since(mark) {
			if request.Verb == "get" && request.Resource == resource {
				n++
			}
		}
		return n
	}
	// flips takes a host out and back in.
	flips := func(ctx SpecContext, service string, host *targets.Host, address string) {
		GinkgoHelper()
		noticed(host)
		mark = audit.mark()
		host.Set(targets.Refuse)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments(service).Should(HaveKeyWithValue(address, out))
		host.Set(targets.Serve)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments(service).Should(HaveKeyWithValue(address, in))
	}

	It("about copies of our slices", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		for i := range 3 {
			copied := s.foreignSlice(ctx, "payments", fmt.Sprintf("copy-%d", i), "somebody", "192.0.2.99")
			copied.Annotations = map[string]string{sliceplan.ServiceUIDAnnotation: "1"}
			Expect(admin.Update(ctx, copied)).To(Succeed())
		}
		s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, yes(v1alpha1.ReasonForeignEndpointSlices))
		flips(ctx, "payments", host, "192.0.2.10")
		Expect(reads("endpointslices")).To(BeZero())
	})

	It("about a Service that is to be served in the place of another one, and is somebody else's", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		eb := s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10"), managed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.service(ctx, "taken")
		edit(ctx, eb, of("taken"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotOwned, `"taken"`))
		s.expect(ctx, "taken", endpoints{"192.0.2.10": in})
		flips(ctx, "taken", host, "192.0.2.10")
		Expect(reads("services")).To(BeZero())
	})

	It("about an ExternalBackend that is gone, for each of its slices", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.host("2001:db8::10")
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10", "2001:db8::10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
		mark = audit.mark()
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		Eventually(s.ours).WithContext(ctx).Should(BeEmpty())
		Expect(reads("externalbackends")).To(BeNumerically("<=", 1))
	})
})
