// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// valid is an ExternalBackend with most fields set. Every case is a change of
// it.
var valid = fmt.Sprintf(`
apiVersion: externalbackend.dev/v1alpha1
kind: ExternalBackend
metadata: {name: payments, namespace: default}
spec:
  service: {name: payments}
  ports:
  - {name: http, port: 8080, protocol: TCP, appProtocol: kubernetes.io/h2c}
  targets:
  - name: rack
    ip: {addresses: [192.0.2.10, "2001:db8::10"]}
  healthCheck:
    interval: 10s
    timeout: 3s
    healthyThreshold: 2
    unhealthyThreshold: 3
    edgeInterval: 2s
    unhealthyInterval: 20s
    initialState: Unhealthy
    checks:
    - name: http
      port: http
      http:
        path: /healthz
        method: GET
        hostname: app.example.com
        headers: [{name: X-Health-Check, value: operator}]
        expectedStatuses: ["200-299"]
      tls:
        serverName: app.example.com
        caBundle: %s
`, quoted(certificate))

// validStatus is a status for it.
const validStatus = `
observedGeneration: 1
conditions:
- {type: Ready, status: "True", reason: Ready, message: all is well, observedGeneration: 1, lastTransitionTime: "2026-01-01T00:00:00Z"}
service: {name: payments, uid: 8c0dd73e-4d0c-4d5a-a1f5-2d3a1e7a9d11}
targets: {total: 3, healthy: 1, unhealthy: 1, unknown: 0, standby: 1}
sources:
- {target: rack, addresses: 2, problem: none, staleSince: "2026-01-01T00:00:00Z"}
unhealthy:
- {address: "192.0.2.10", target: rack, reason: ConnectionRefused, since: "2026-01-01T00:00:00Z"}
`

// certificate is that of a certificate authority, in PEM form.
var certificate = newCertificate()

func newCertificate() string {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// bundle writes certificates that together have so many characters. Text
// around them is allowed.
func bundle(size int) string {
	text := strings.Repeat(certificate, size/len(certificate))
	return quoted(text + strings.Repeat("#", size-len(text)))
}

// edit is one change of an object.
type edit struct {
	path string // in the notation of the API server: spec.ports[0].port
	text string // YAML of the new value; empty to remove the field
}

func set(path, text string) edit { return edit{path, text} }

func remove(path string) edit { return edit{path: path} }

func (e edit) String() string {
	if e.text == "" {
		return "no " + e.path
	}
	if len(e.text) > 70 {
		return fmt.Sprintf("%s: %s... (%d characters)", e.path, e.text[:40], len(e.text))
	}
	return e.path + ": " + e.text
}

func (e edit) inStatus() bool { return strings.HasPrefix(e.path, "status") }

func (e edit) apply(object map[string]any) {
	steps := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(e.path), ".")
	last := steps[len(steps)-1]
	var parent any = object
	for _, step := range steps[:len(steps)-1] {
		parent = child(parent, step)
	}
	switch parent := parent.(type) {
	case map[string]any:
		if e.text == "" {
			delete(parent, last)
			return
		}
		parent[last] = parsed(e.text)
	case []any:
		parent[index(last)] = parsed(e.text)
	default:
		panic(e.path + " is not in the object")
	}
}

func child(parent any, step string) any {
	if list, ok := parent.([]any); ok {
		return list[index(step)]
	}
	return parent.(map[string]any)[step]
}

func index(step string) int {
	i, err := strconv.Atoi(step)
	if err != nil {
		panic(err)
	}
	return i
}

func parsed(text string) (value any) {
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		panic(fmt.Sprintf("%s: %s", text, err))
	}
	return value
}

// quoted writes a list or text as YAML.
func quoted(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// edited returns the valid ExternalBackend with changes.
func edited(edits ...edit) *unstructured.Unstructured { return backends.edited(edits...) }

// store creates an object and, if it has one, writes its status. It returns
// what the API server stored, or the first error. The object is removed when
// the spec is over.
func store(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	stored := object.DeepCopy()
	status, hasStatus := stored.Object["status"]
	delete(stored.Object, "status")
	if err := api.Create(ctx, stored); err != nil {
		return nil, err
	}
	removeLater(stored)
	if !hasStatus {
		return stored, nil
	}
	stored.Object["status"] = status
	if err := api.Status().Update(ctx, stored); err != nil {
		return nil, err
	}
	return stored, nil
}

// mustStore stores the valid ExternalBackend with changes.
func mustStore(ctx context.Context, edits ...edit) *unstructured.Unstructured {
	GinkgoHelper()
	stored, err := store(ctx, edited(edits...))
	Expect(err).NotTo(HaveOccurred())
	return stored
}
