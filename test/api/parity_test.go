// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/translate"
)

// someNames are names that are right, and such that are wrong in some detail.
var someNames = rapid.Custom(func(t *rapid.T) string {
	label := rapid.OneOf(
		rapid.SampledFrom([]string{
			"db", "Example", "_tcp", "a_b", "localhost", "LOCALHOST", "xn--a", "0", "099", "0x", "0X7F", "0xg", "1a", "", "-a", "a-", "a--b", "_", "-", "*",
			"a b", "\u212a", "ü", "a\n", "a/", letters64[:63], letters64, letters64[:61],
		}),
		rapid.StringMatching(`[a-zA-Z0-9]{1,9}`),
		rapid.StringMatching(`[0-9A-Fa-fx]{1,3}`),
	)
	name := strings.Join(rapid.SliceOfN(label, 1, 5).Draw(t, "labels"), ".")
	return name + rapid.SampledFrom([]string{"", "", "", ".", ".."}).Draw(t, "end")
})

var _ = Describe("The hostnames that the API server accepts", func() {
	It("are those that the operator does", func(ctx SpecContext) {
		count := map[bool]int{}
		for i := range 600 {
			resolution, text := []string{"Resolve", "SRV"}[i%2], someNames.Example(i)
			object := edited(named(quoted(map[string]any{"hostname": text, "resolution": resolution})))
			err := api.Create(ctx, object.DeepCopy(), client.DryRunAll)
			if err != nil {
				Expect(causesOf(err)).To(HaveEach(HaveField("Field", hostname)), "%q", text)
			}
			invalid := translate.ForService(typed(object), nil, 0).Entries[0].Invalid
			Expect(err == nil).To(Equal(invalid == nil), "%s of %q: the API server says %v, the operator %v", resolution, text, err, invalid)
			count[err == nil]++
		}
		Expect(count).To(And(HaveKeyWithValue(true, BeNumerically(">", 50)), HaveKeyWithValue(false, BeNumerically(">", 50))))
	}, NodeTimeout(2*time.Minute))
})
