// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The type metav1.Condition brings its own constraints, which Kubernetes proves.
const conditionItems = "status.conditions[*]"

// These specs read the generated CRD, so that a rule which is added later
// cannot be forgotten here.
var _ = Describe("Everything that the schema demands", func() {
	It("has a case that is rejected for it", func(ctx SpecContext) {
		var seen []cause
		for _, list := range [][]rejection{rejectedSpecs, rejectedTargets, rejectedServices, rejectedChecks, rejectedStatuses} {
			for _, r := range list {
				seen = append(seen, rejects(ctx, r)...)
			}
		}
		for _, c := range allConstraints() {
			Expect(slices.ContainsFunc(seen, func(s cause) bool {
				return place(s.Field) == c.cause.Field && strings.Contains(s.Message, c.cause.Message)
			})).To(BeTrue(), "no case is rejected because of %s", c)
		}
	}, NodeTimeout(time.Minute))

	It("has a case that is accepted and goes to the limit", func(ctx SpecContext) {
		values := map[string][]any{}
		for _, edits := range slices.Concat(accepted, acceptedServices) {
			object := edited(edits...)
			stored, err := store(ctx, object)
			Expect(err).NotTo(HaveOccurred(), fmt.Sprint(edits))
			Expect(api.Delete(ctx, stored)).To(Succeed())
			visit("", stored.Object, func(path string, value any) {
				values[place(path)] = append(values[place(path)], value)
			})
		}
		for _, c := range allConstraints() {
			Expect(c.met(values[c.node])).To(BeTrue(), "no case is accepted that goes to the limit of %s", c)
		}
	}, NodeTimeout(time.Minute))

	It("is said in a message if it is a rule", func() {
		for _, path := range crd.paths() {
			for _, rule := range crd[path].XValidations {
				Expect(rule.Message).NotTo(BeEmpty(), "%s: rule %s", path, rule.Rule)
			}
		}
	})
})

func allConstraints() (list []constraint) {
	GinkgoHelper()
	for _, path := range crd.paths() {
		if !strings.HasPrefix(path, conditionItems) {
			list = append(list, crd.constraints(path)...)
		}
	}
	Expect(list).NotTo(BeEmpty())
	return list
}
