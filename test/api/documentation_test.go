// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// unbounded are strings whose length the API does not limit: the operator
// copies them from the API server's own metadata.
var unbounded = []string{"status.service.uid"}

// ofEveryKind are what every Kubernetes object has; the API server documents them.
var ofEveryKind = []string{"", "apiVersion", "kind", "metadata"}

var _ = Describe("Every field of the schema", func() {
	It("has a description that begins with its name", func() {
		for path, node := range everyField() {
			description := node.Description
			name := path[strings.LastIndex(path, ".")+1:]
			if strings.HasSuffix(name, "[*]") {
				continue // kubectl explain shows it with the list
			}
			words := strings.Fields(description)
			Expect(len(words)).To(BeNumerically(">", 2), "the description of %s", path)
			Expect(words[0]).To(Equal(name), "the description of %s: %s", path, description)
			Expect(description).To(HaveSuffix("."), "the description of %s", path)
		}
	})

	It("has a type of list, if it is one, and a bound", func() {
		for path, node := range everyField() {
			if node.Type != "array" {
				continue
			}
			Expect(node.XListType).NotTo(BeNil(), "%s has no x-kubernetes-list-type", path)
			Expect(node.MaxItems).NotTo(BeNil(), "%s has no maxItems", path)
			if *node.XListType == "map" {
				Expect(node.XListMapKeys).NotTo(BeEmpty(), "%s has no x-kubernetes-list-map-keys", path)
			}
		}
	})

	It("has a bound, if it is text", func() {
		for path, node := range everyField() {
			if node.Type != "string" && !node.XIntOrString {
				continue
			}
			bounded := node.MaxLength != nil || len(node.Enum) > 0 || node.Format == "date-time"
			Expect(bounded).To(Equal(!slices.Contains(unbounded, path)), "%s: bounded", path)
		}
	})

	It("has bounds, if it is a number that a user sets", func() {
		for path, node := range everyField() {
			if strings.HasPrefix(path, "spec") && node.Type == "integer" {
				Expect(node.Minimum).NotTo(BeNil(), "%s has no minimum", path)
				Expect(node.Maximum).NotTo(BeNil(), "%s has no maximum", path)
			}
		}
	})

	It("has bounds on its keys, if it is a map, and is no open object", func() {
		for path, node := range everyField() {
			Expect(node.XPreserveUnknownFields).To(BeNil(), path)
			if node.AdditionalProperties == nil {
				continue
			}
			Expect(node.MaxProperties).NotTo(BeNil(), "%s has no maxProperties", path)
			Expect(node.XValidations).To(ContainElement(HaveField("Rule", MatchRegexp("^self[.]all[(]k, k[.]size[(][)] <= [0-9]+ && "))), "%s bounds no keys", path)
		}
	})
})
