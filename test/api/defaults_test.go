// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// defaults of the spec, as the field documentation promises them.
var defaults = map[string]string{
	"spec.service":                                     "{}",
	"spec.service.management":                          "Referenced",
	"spec.targets[*].state":                            "Active",
	"spec.targets[*].fqdn.resolution":                  "Resolve",
	"spec.targets[*].ec2.identityRef":                  "{}",
	"spec.targets[*].ec2.identityRef.name":             "default",
	"spec.targets[*].ec2.addresses":                    "{}",
	"spec.targets[*].ec2.addresses.ipv4":               "Private",
	"spec.targets[*].ec2.addresses.ipv6":               "None",
	"spec.targets[*].ec2.addresses.secondary":          "Exclude",
	"spec.targets[*].ec2.networkInterface":             "{}",
	"spec.targets[*].ports[*].name":                    `""`,
	"spec.availability.minHealthy":                     "{}",
	"spec.availability.minHealthy.count":               "1",
	"spec.availability.tiers":                          "{}",
	"spec.availability.tiers.mode":                     "Exclusive",
	"spec.availability.tiers.returnDelay":              "60s",
	"spec.drain":                                       "{}",
	"spec.drain.duration":                              "30s",
	"spec.healthCheck":                                 "{}",
	"spec.healthCheck.interval":                        "10s",
	"spec.healthCheck.healthyThreshold":                "2",
	"spec.healthCheck.unhealthyThreshold":              "3",
	"spec.healthCheck.edgeInterval":                    "2s",
	"spec.healthCheck.initialState":                    "Unhealthy",
	"spec.healthCheck.checks[*].http.path":             "/",
	"spec.healthCheck.checks[*].http.method":           "GET",
	"spec.healthCheck.checks[*].http.expectedStatuses": `["200-399"]`,
	"spec.ports[*].name":                               `""`,
	"spec.ports[*].protocol":                           "TCP",
	"spec.instanceStatus":                              "Observe",
	"spec.autoScaling":                                 "Observe",
}

const defaultHealthCheck = `
interval: 10s
healthyThreshold: 2
unhealthyThreshold: 3
edgeInterval: 2s
initialState: Unhealthy
`

var _ = Describe("Defaults", func() {
	It("are those that are documented", func() {
		var documented []string
		for path, node := range everyField() {
			if node.Default == nil || !strings.HasPrefix(path, "spec.") {
				continue
			}
			documented = append(documented, path)
			Expect(defaults).To(HaveKey(path))
			Expect(node.Default.Raw).To(MatchJSON(quoted(parsed(defaults[path]))), path)
			if len(node.Properties) == 0 {
				Expect(strings.ToLower(node.Description)).To(ContainSubstring("default"), "the description of %s", path)
			}
		}
		Expect(documented).To(ConsistOf(slices.Collect(maps.Keys(defaults))))
	})

	DescribeTable("of spec.healthCheck are stored when it is",
		func(ctx SpecContext, change edit) {
			stored := mustStore(ctx, change)
			Expect(at(stored.Object, "spec.healthCheck")).To(Equal(parsedLikeStored(defaultHealthCheck)))
		},
		Entry("left out", remove("spec.healthCheck")),
		Entry("empty", set("spec.healthCheck", "{}")),
		Entry("null", set("spec.healthCheck", "null")),
		Entry("made of nulls", set("spec.healthCheck", "{interval: null, edgeInterval: null, healthyThreshold: null}")),
	)

	It("of the timeout depend on the interval, so that none is stored", func(ctx SpecContext) {
		stored := mustStore(ctx, set("spec.healthCheck", "{interval: 1s}"))
		Expect(at(stored.Object, "spec.healthCheck")).To(Equal(parsedLikeStored(defaultHealthCheck + "interval: 1s\n")))
	})

	It("of an http check are stored", func(ctx SpecContext) {
		stored := mustStore(ctx, set(check, "{name: a, http: {}}"))
		Expect(at(stored.Object, check)).To(Equal(parsed(`{name: a, http: {path: /, method: GET, expectedStatuses: ["200-399"]}}`)))
	})

	It("of a tcp check are none", func(ctx SpecContext) {
		stored := mustStore(ctx, set(check, "{name: a, tcp: {}}"))
		Expect(at(stored.Object, check)).To(Equal(parsed(`{name: a, tcp: {}}`)))
	})

	It("of a port are stored", func(ctx SpecContext) {
		stored := mustStore(ctx, set("spec.ports", "[{port: 8080}]"))
		Expect(at(stored.Object, "spec.ports[0]")).To(Equal(parsedLikeStored(`{name: "", port: 8080, protocol: TCP}`)))
	})

	It("of an entry are stored", func(ctx SpecContext) {
		stored := mustStore(ctx, set("spec.ports", "[{port: 8080}]"), remove("spec.healthCheck.checks"),
			set("spec.targets", "[{name: rack, ip: {addresses: [192.0.2.1]}, ports: [{port: 9090}]}]"))
		Expect(at(stored.Object, "spec.targets[0]")).To(Equal(parsedLikeStored(
			`{name: rack, ip: {addresses: [192.0.2.1]}, state: Active, ports: [{name: "", port: 9090}]}`)))
	})

	DescribeTable("of spec.service do not name it, for it follows the name of the object, and are stored when it is",
		func(ctx SpecContext, change edit) {
			Expect(at(mustStore(ctx, change).Object, "spec.service")).To(Equal(parsed("{management: Referenced}")))
		},
		Entry("left out", remove("spec.service")),
		Entry("empty", set("spec.service", "{}")),
		Entry("null", set("spec.service", "null")),
		Entry("made of nulls", set("spec.service", "{name: null, management: null, template: null}")),
	)

	DescribeTable("of spec.drain are stored when it is",
		func(ctx SpecContext, change edit) {
			Expect(at(mustStore(ctx, change).Object, "spec.drain")).To(Equal(parsed("{duration: 30s}")))
		},
		Entry("left out", remove("spec.drain")),
		Entry("empty", set("spec.drain", "{}")),
		Entry("null", set("spec.drain", "null")),
		Entry("made of nulls", set("spec.drain", "{duration: null}")),
	)

	It("of a name are stored", func(ctx SpecContext) {
		stored := mustStore(ctx, set("spec.targets", "[{name: legacy, fqdn: {hostname: db.example.com}}]"))
		Expect(at(stored.Object, "spec.targets[0]")).To(Equal(parsed(
			"{name: legacy, fqdn: {hostname: db.example.com, resolution: Resolve}, state: Active}")))
	})

	DescribeTable("of instances are stored when they are", func(ctx SpecContext, text string) {
		stored := mustStore(ctx, fleet, set(ec2, "{region: eu-west-1, selector: {instanceIDs: [i-01234567]}"+text+"}"))
		Expect(at(stored.Object, ec2)).To(Equal(parsed(`{region: eu-west-1, selector: {instanceIDs: [i-01234567]}, identityRef: {name: default},
			addresses: {ipv4: Private, ipv6: None, secondary: Exclude}, networkInterface: {}}`)))
	},
		Entry("left out", ""),
		Entry("empty", ", identityRef: {}, addresses: {}, networkInterface: {}"),
		Entry("null", ", identityRef: null, addresses: null, networkInterface: null, drainOn: null"),
		Entry("made of nulls", ", identityRef: {name: null}, addresses: {ipv4: null, ipv6: null, secondary: null}, networkInterface: {tag: null}"),
	)

	It("of an AWSIdentity are stored", func(ctx SpecContext) {
		stored, err := store(ctx, identities.edited(set("spec", "{regions: [eu-west-1]}")))
		Expect(err).NotTo(HaveOccurred())
		Expect(stored.Object["spec"]).To(Equal(parsed("{regions: [eu-west-1], instanceStatus: Observe, autoScaling: Observe}")))
	})

	It("of spec.availability are not stored when it is left out", func(ctx SpecContext) {
		Expect(at(mustStore(ctx).Object, "spec.availability")).To(BeNil())
	})

	DescribeTable("of spec.availability are stored when it is",
		func(ctx SpecContext, text string) {
			Expect(at(mustStore(ctx, set("spec.availability", text)).Object, "spec.availability")).To(Equal(parsedLikeStored(
				"{minHealthy: {count: 1}, tiers: {mode: Exclusive, returnDelay: 60s}}")))
		},
		Entry("empty", "{}"),
		Entry("made of nulls", "{minHealthy: null, tiers: {mode: null}}"),
	)

	It("leave the shape of a managed Service to the API server", func(ctx SpecContext) {
		stored := mustStore(ctx, set("spec.service", "{management: Managed, template: {}}"))
		Expect(at(stored.Object, "spec.service")).To(Equal(parsed("{management: Managed, template: {}}")))
	})
})

// parsedLikeStored parses YAML with whole numbers as the API server sends them.
func parsedLikeStored(text string) any {
	object := unstructured.Unstructured{}
	whole := map[string]any{"apiVersion": "v1", "kind": "Any", "value": parsed(text)}
	Expect(object.UnmarshalJSON([]byte(quoted(whole)))).To(Succeed())
	return object.Object["value"]
}
