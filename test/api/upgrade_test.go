// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// earliest are objects that the first version of the API accepted, as their
// authors wrote them: one with the least, one with every field it had. They
// stay valid for ever, and are never changed here.
var earliest = map[string]string{
	"the least": `{targets: [{name: rack, ip: {addresses: [192.0.2.10]}}]}`,
	"every field": `
service: {name: payments}
ports:
- {name: http, port: 8080, protocol: TCP, appProtocol: kubernetes.io/h2c}
- {name: dns, port: 8080, protocol: UDP}
- {port: 8080}
targets:
- name: rack
  ip: {addresses: [192.0.2.10, "2001:db8::10", 192.0.2.10]}
healthCheck:
  interval: 10s
  timeout: 3s
  healthyThreshold: 2
  unhealthyThreshold: 3
  edgeInterval: 2s
  unhealthyInterval: 20s
  initialState: Healthy
  checks:
  - {name: tcp, port: 8080, tcp: {}}
  - name: http
    port: http
    http:
      path: /healthz
      method: GET
      hostname: app.example.com
      headers: [{name: X-Health-Check, value: operator}]
      expectedStatuses: ["200-299"]
    tls: {serverName: app.example.com, insecureSkipVerify: true}
`,
}

// A kind of the specs below alone, so that its schema can change under objects
// that are stored.
const (
	storedGroup = "stored.example"
	storedCRD   = "externalbackends." + storedGroup
)

// definition returns the CRD under the group of these specs.
func definition() *unstructured.Unstructured {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(crdFolder, "externalbackend.dev_externalbackends.yaml"))
	Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{Object: parsedLikeStored(string(text)).(map[string]any)}
	object.SetName(storedCRD)
	for path, value := range map[string]any{
		"group": storedGroup, "names": map[string]any{"kind": "ExternalBackend", "plural": "externalbackends"},
	} {
		Expect(unstructured.SetNestedField(object.Object, value, "spec", path)).To(Succeed())
	}
	return object
}

// undemanding makes a CRD demand and default nothing, as before there was a
// schema.
func undemanding(object *unstructured.Unstructured) *unstructured.Unstructured {
	version := at(object.Object, "spec.versions[0]").(map[string]any)
	version["schema"] = parsed("{openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}")
	return object
}

func storedBackend(name, spec string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": parsedLikeStored(spec)}}
	object.SetAPIVersion(storedGroup + "/v1alpha1")
	object.SetKind("ExternalBackend")
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

func applyUser(ctx context.Context, object *unstructured.Unstructured) error {
	return api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("user"))
}

var _ = Describe("An object that was stored before the schema had today's fields", func() {
	BeforeEach(func(ctx SpecContext) {
		old := undemanding(definition())
		Expect(api.Create(ctx, old)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(api.Delete(ctx, old)).To(Succeed())
			Eventually(func() bool {
				return apierrors.IsNotFound(api.Get(ctx, client.ObjectKeyFromObject(old), old))
			}).WithContext(ctx).Should(BeTrue())
		}, NodeTimeout(time.Minute))
	})

	for title, spec := range earliest {
		It("is served with their defaults and counts as unchanged: "+title, func(ctx SpecContext) {
			Eventually(func() error { return applyUser(ctx, storedBackend("payments", spec)) }).WithContext(ctx).Should(Succeed())

			updated := definition()
			live := definition()
			Expect(api.Get(ctx, client.ObjectKeyFromObject(live), live)).To(Succeed())
			updated.SetResourceVersion(live.GetResourceVersion())
			Expect(api.Update(ctx, updated)).To(Succeed())
			read := storedBackend("payments", spec)
			Eventually(func() (any, error) {
				err := api.Get(ctx, client.ObjectKeyFromObject(read), read)
				return child(read.Object["spec"], "drain"), err
			}).WithContext(ctx).Should(Equal(parsed("{duration: 30s}")))
			Expect(at(read.Object, "spec.service.management")).To(Equal("Referenced"))
			Expect(at(read.Object, "spec.targets[0].state")).To(Equal("Active"))
			expectKept(map[string]any{"spec": parsedLikeStored(spec)}, read.Object)

			read.Object["status"] = map[string]any{"observedGeneration": int64(1)}
			Expect(api.Status().Update(ctx, read)).To(Succeed())
			Expect(read.GetGeneration()).To(Equal(int64(1)), "after the status was written")
			read.SetLabels(map[string]string{"touched": "yes"})
			Expect(api.Update(ctx, read)).To(Succeed())
			Expect(read.GetGeneration()).To(Equal(int64(1)), "after a label was set")
			again := storedBackend("payments", spec)
			Expect(applyUser(ctx, again)).To(Succeed())
			Expect(again.GetGeneration()).To(Equal(int64(1)), "after the same manifest was applied again")
		}, NodeTimeout(time.Minute))
	}
})

var _ = Describe("An object that the first version of the API accepted", func() {
	for title, spec := range earliest {
		It("can be created today: "+title, func(ctx SpecContext) {
			object := storedBackend("payments", spec)
			object.SetAPIVersion("externalbackend.dev/v1alpha1")
			_, err := store(ctx, object)
			Expect(err).NotTo(HaveOccurred())
		})
	}
})
