// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// accepted are changes of the valid object that leave it valid. They go to
// every limit of the schema.
var accepted = slices.Concat(
	acceptedTimings("spec.healthCheck.interval", "spec.healthCheck.edgeInterval", "spec.healthCheck.unhealthyInterval"),
	acceptedThresholds("spec.healthCheck.healthyThreshold", "spec.healthCheck.unhealthyThreshold"),
	[][]edit{
		{},
		{set("metadata.name", "a")},
		{set("metadata.name", letters64[:63])},
		{set("metadata.name", `"1a"`)},

		{remove("spec.service")},
		{set("spec.service", "{}")},
		{set("spec.service.name", "a")},
		{set("spec.service.name", letters64[:63])},
		{remove("spec.ports")},
		{set("spec.ports", repeated(100, "{name: p%[1]d, port: %[1]d}"))},
		{set("spec.ports[0]", "{port: 1}")},
		{set("spec.ports[0].name", letters64[:63])},
		{set("spec.ports[0].port", "65535")},
		{set("spec.ports[0].protocol", "UDP")},
		{set("spec.ports[0].protocol", "SCTP")},
		{set("spec.ports[0].appProtocol", "a")},
		{set("spec.ports[0].appProtocol", "example.com/My_Protocol.v1")},
		{set("spec.ports[0].appProtocol", letters254[:189]+"/"+letters64[:63])},

		{set("spec.targets", repeated(100, "{name: t%[1]d, ip: {addresses: [192.0.2.%[1]d]}}"))},
		{set("spec.targets[0].name", "a")},
		{set("spec.targets[0].name", letters64[:63])},
		{set("spec.targets", entries(1000, 1000, 1000, 1000, 1000))},
		{set("spec.targets[0].ip.addresses", `["2001:0DB8:0000:0000:0000:0000:255.255.255.255"]`)},
		{set("spec.targets[0].ip.addresses", "[192.0.2.1, 192.0.2.1]")}, // served once
		// Where an address may lie is no matter of its form: a condition says so.
		{set("spec.targets[0].ip.addresses", `["::", 127.0.0.1, 169.254.169.254, "fe80::1"]`)},

		{remove("spec.healthCheck")},
		{set("spec.healthCheck", "{}")},
		{set("spec.healthCheck", "{interval: 1s}")},
		{set("spec.healthCheck.timeout", "100ms")},
		{set("spec.healthCheck.timeout", "10s")}, // the interval
		{set("spec.healthCheck.timeout", "1h"), set("spec.healthCheck.interval", "1h")},
		{set("spec.healthCheck.timeout", "00000h00m02s00ms")},
		{set("spec.healthCheck.initialState", "Healthy")},
		{remove("spec.healthCheck.checks")},
		{set("spec.healthCheck.checks", repeated(8, "{name: c%d, tcp: {}}"))},
		{set("spec.healthCheck.checks", "[{name: a, none: {}}]")},
		{set(check, "{name: a, tcp: {}}")},
		{set(check, "{name: a, http: {}}")},
		{set(check, "{name: a, http: {}, tls: {}}")},
		{set(check+".name", letters64[:63])},
		{set(check+".port", "1")},
		{set(check+".port", "65535")},
		{set(check+".port", letters64[:63])},

		{set(path, "/")},
		{set(path, "/"+strings.Repeat("~", 1023))},
		{set(path, "/%2Fhealthz?full=1&x=[!]")},
		{set(check+".http.method", "HEAD")},
		{set(check+".http.method", "OPTIONS")},
		{set(host, "a")},
		{set(host, quoted("192.0.2.10:8080"))},
		{set(host, quoted(letters254[:253]+":65535"))},
		{set(headers, "[]")},
		{set(headers, repeated(16, "{name: X-%d, value: a}"))},
		{set(headers+"[0]", `{name: a, value: ""}`)},
		{set(headers+"[0].name", strings.Repeat("a", 128))},
		{set(headers+"[0].name", quoted("!#$%&*+.^_|~-"))},
		{set(headers+"[0].value", strings.Repeat("~", 1024))},
		{set(headers+"[0].value", quoted(`"a";b=\ `+"\t"))},
		{set(headers+"[0]", "{name: Authorization, valueFrom: {secretKeyRef: {name: a, key: a}}}")},
		{set(headers+"[0]", "{name: cookie, valueFrom: {secretKeyRef: {name: checks.example.com, key: Cookie_1.txt-a}}}")},
		{set(headers+"[0]", "{name: Proxy-Authorization, valueFrom: {secretKeyRef: {name: "+letters254[:253]+", key: "+letters254[:253]+"}}}")},
		{set(headers+"[0]", "{name: X-Token, valueFrom: {secretKeyRef: {name: checks, key: token}}}")},
		{set(status, `["100-599"]`)},
		{set(status, `["204", "301-301"]`)},
		{set(status, repeated(16, `"2%02d"`))},

		{set(body, `{contains: "\"status\":\t\"UP\"\r\n"}`)},
		{set(body, "{contains: Größe ≥ 1 € 日本}")},
		{set(body, "{contains: a}"), set(check+".http.method", "OPTIONS")},
		{set(body, "{contains: "+strings.Repeat("a", 1024)+"}")},
		{set(body, `{matches: "(?im)^\\s*status:\\s+(up|ok)\\b.{0,100}$"}`)},
		{set(body, "{matches: a}")},
		{set(body, "{matches: "+strings.Repeat("a", 1024)+"}")},

		{set(tls, "{insecureSkipVerify: true}")},
		{set(tls+".serverName", "a")},
		{set(tls+".serverName", letters254[:253])},
		{set(tls+".caBundle", bundle(65536))},

		{set("status.observedGeneration", "7")},
		{set("status.conditions", conditions(16))},
		{set("status.service", "{name: "+letters64[:63]+"}")},
		{set("status.targets", "{}")},
		{set("status.sources", repeated(100, "{target: t%d}"))},
		{set("status.sources[0].target", letters64[:63])},
		{set("status.sources[0].problem", strings.Repeat("a", 1024))},
		{set("status.unhealthy", unhealthy(32))},
		{set("status.unhealthy[0].address", strings.Repeat("a", 45))},
		{set("status.unhealthy[0].target", letters64[:63])},
		{set("status.unhealthy[0].reason", letters64)},
		{set("status.unhealthy[0].httpStatus", "100")},
		{set("status.unhealthy[0].httpStatus", "999")},
	},
)

func acceptedTimings(fields ...string) (list [][]edit) {
	for _, field := range fields {
		for _, text := range []string{"1s", "1000ms", "1m30s", "1h", "00000h00m09s00ms"} {
			list = append(list, []edit{remove("spec.healthCheck.timeout"), set(field, text)})
		}
	}
	return list
}

func acceptedThresholds(fields ...string) (list [][]edit) {
	for _, field := range fields {
		list = append(list, []edit{set(field, "1")}, []edit{set(field, "20")})
	}
	return list
}

// expectKept expects that everything in the posted value is in the stored one.
func expectKept(posted, stored map[string]any) {
	GinkgoHelper()
	kept := map[string]string{}
	visit("", stored, func(path string, value any) { kept[path] = fmt.Sprint(value) })
	for _, part := range []string{"spec", "status"} {
		visit(part, posted[part], func(path string, value any) {
			switch value.(type) {
			case map[string]any, []any, nil:
			default:
				Expect(kept[path]).To(Equal(fmt.Sprint(value)), path)
			}
		})
	}
}

// at returns the value at a path.
func at(value any, path string) any {
	for step := range strings.SplitSeq(strings.NewReplacer("[", ".", "]", "").Replace(path), ".") {
		if value = child(value, step); value == nil {
			return nil
		}
	}
	return value
}

// expectActionable expects that the operator can act on what the API server
// accepted: its own validation has no objection left, and the API server none
// to the Service that the operator creates, which is then as it should be.
func expectActionable(ctx context.Context, stored *unstructured.Unstructured) {
	GinkgoHelper()
	backend := typed(stored)
	service, refused := translate.ManagedService(backend, nil, translate.AnnotationRules{"*"})
	if translate.IsManaged(backend) {
		Expect(refused).To(BeNil())
		Expect(api.Create(ctx, service)).To(Succeed())
		removeLater(service)
		again, refused := translate.ManagedService(backend, service, translate.AnnotationRules{"*"})
		Expect(refused).To(BeNil())
		Expect(again).To(Equal(service), "what was just created needs no change")
	}
	problem := translate.ForService(backend, service, 0).SpecProblem
	if problem != nil {
		Expect(problem.Reason).To(Equal(v1alpha1.ReasonCheckPortNotFound), problem.Message)
	}
}

// typed decodes an object into its Go type, which must know every field.
func typed(object *unstructured.Unstructured) *v1alpha1.ExternalBackend {
	GinkgoHelper()
	backend := &v1alpha1.ExternalBackend{}
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, backend, true)).To(Succeed())
	return backend
}
