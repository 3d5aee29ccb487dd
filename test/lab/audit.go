// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// auditPolicy records who writes EndpointSlices and Endpoints.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
  resources:
  - {group: discovery.k8s.io, resources: [endpointslices]}
  - {group: "", resources: [endpoints]}
- level: None
`

// Audit is the API server's record of writes.
type Audit struct{ policy, log string }

// Write is a request to change an EndpointSlice or Endpoints.
type Write struct {
	Time            time.Time // when the API server had answered
	Verb            string
	Resource        string // endpointslices or endpoints
	Namespace, Name string
	User            string
	Code            int // HTTP status

	credential string
}

func newAudit(dir string) (*Audit, error) {
	a := &Audit{policy: filepath.Join(dir, "audit-policy.yaml"), log: filepath.Join(dir, "audit.log")}
	return a, os.WriteFile(a.policy, []byte(auditPolicy), 0o600)
}

func (a *Audit) flags() []string {
	return []string{"--audit-policy-file=" + a.policy, "--audit-log-path=" + a.log, "--audit-log-mode=blocking"}
}

// Done says whether the API server carried the write out.
func (w *Write) Done() bool { return w.Code < 300 }

// Writes returns the writes so far that the API server has carried out, in a
// namespace.
func (a *Audit) Writes(namespace string) ([]Write, error) {
	attempts, err := a.Attempts(namespace)
	return slices.DeleteFunc(attempts, func(w Write) bool { return !w.Done() }), err
}

// Attempts returns the writes so far and those that the API server refused, in
// a namespace.
func (a *Audit) Attempts(namespace string) ([]Write, error) {
	content, err := os.ReadFile(a.log)
	if err != nil {
		return nil, err
	}
	var attempts []Write
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // still being written
		}
		var event struct {
			Verb string
			User struct {
				Username string
				Extra    map[string][]string
			}
			ObjectRef      struct{ Resource, Namespace, Name string }
			ResponseStatus struct{ Code int }
			StageTimestamp time.Time
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if event.ObjectRef.Namespace != namespace {
			continue
		}
		attempts = append(attempts, Write{
			Time: event.StageTimestamp, Verb: event.Verb, Resource: event.ObjectRef.Resource,
			Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name, User: event.User.Username, Code: event.ResponseStatus.Code,
			credential: strings.Join(event.User.Extra["authentication.kubernetes.io/credential-id"], ""),
		})
	}
	return attempts, nil
}

// Wrote says whether the write is the replica's.
func (r *Replica) Wrote(w Write) (bool, error) {
	config, err := clientcmd.BuildConfigFromFlags("", r.kubeconfig)
	if err != nil {
		return false, err
	}
	// The API server identifies a token by its claim jti (RFC 7519).
	var claims struct{ JTI string }
	parts := strings.Split(config.BearerToken, ".")
	if len(parts) != 3 {
		return false, fmt.Errorf("the token of %s is not a JWT", r.Name)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	return w.credential == "JTI="+claims.JTI, err
}
