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
	for _, k := range kinds {
		It("of an "+k.name+" has a case that is rejected for it", func(ctx SpecContext) {
			var seen []cause
			for _, r := range k.rejected {
				seen = append(seen, k.rejects(ctx, r)...)
			}
			for _, c := range k.constraints() {
				Expect(slices.ContainsFunc(seen, func(s cause) bool {
					return place(s.Field) == c.cause.Field && strings.Contains(s.Message, c.cause.Message)
				})).To(BeTrue(), "no case is rejected because of %s", c)
			}
		}, NodeTimeout(time.Minute))

		It("of an "+k.name+" has a case that is accepted and goes to the limit", func(ctx SpecContext) {
			values := map[string][]any{}
			for _, edits := range k.accepted {
				object := k.edited(edits...)
				stored, err := store(ctx, object)
				Expect(err).NotTo(HaveOccurred(), fmt.Sprint(edits))
				Expect(api.Delete(ctx, stored)).To(Succeed())
				visit("", stored.Object, func(path string, value any) {
					values[place(path)] = append(values[place(path)], value)
				})
			}
			for _, c := range k.constraints() {
				Expect(c.met(values[c.node])).To(BeTrue(), "no case is accepted that goes to the limit of %s", c)
			}
		}, NodeTimeout(time.Minute))
	}

	It("is said in a message if it is a rule", func() {
		for _, k := range kinds {
			for _, path := range k.schema.paths() {
				for _, rule := range k.schema[path].XValidations {
					Expect(rule.Message).NotTo(BeEmpty(), "%s: rule %s", path, rule.Rule)
				}
			}
		}
	})
})

func (k *kind) constraints() (list []constraint) {
	GinkgoHelper()
	for _, path := range k.schema.paths() {
		if !strings.HasPrefix(path, conditionItems) {
			list = append(list, k.schema.constraints(path)...)
		}
	}
	Expect(list).NotTo(BeEmpty())
	return list
}
