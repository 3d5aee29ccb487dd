// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	. "github.com/onsi/gomega"
)

// auditLog is what the API server records about the requests of the operator.
type auditLog struct {
	policyFile, file string

	// underway is held for reading while the API server deals with a request of
	// an operator: what it has done may be seen before it has been recorded.
	underway sync.RWMutex

	mu       sync.Mutex
	offset   int64
	known    map[string]bool // audit IDs
	requests []request
}

// request is one request that the API server has answered, or begun to answer
// with a watch.
type request struct {
	Verb, Group, Resource string // Resource is "resource/subresource" if there is one
	Namespace, Name       string
	Code                  int
	Unauthorized          bool // RBAC refused it
	URI                   string
}

// String names a request by verb and resource.
func (r request) String() string {
	if r.Resource == "" {
		return r.Verb + " " + r.URI
	}
	return r.Verb + " " + r.Resource
}

// newAuditLog writes an audit policy that records the requests of one user.
func newAuditLog(folder, user string) *auditLog {
	l := &auditLog{
		policyFile: filepath.Join(folder, "policy.yaml"),
		file:       filepath.Join(folder, "audit.log"),
		known:      make(map[string]bool),
	}
	policy := fmt.Sprintf(`apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [%q]
- level: None
`, user)
	Expect(os.WriteFile(l.policyFile, []byte(policy), 0o600)).To(Succeed())
	return l
}

// wrap returns a transport whose requests are waited for before the log is read,
// but for those that fill caches, which may never end.
func (l *auditLog) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if reading(r) {
			return next.RoundTrip(r)
		}
		l.underway.RLock()
		done := sync.OnceFunc(l.underway.RUnlock)
		response, err := next.RoundTrip(r)
		if err != nil {
			done()
			return nil, err
		}
		response.Body = &body{ReadCloser: response.Body, closed: done}
		return response, nil
	})
}

// mark returns the place in the log up to which everything has been seen.
func (l *auditLog) mark() int { return len(l.since(0)) }

// since returns the requests after a mark that the API server has dealt with,
// and waits for those that it is dealing with.
func (l *auditLog) since(mark int) []request {
	l.underway.Lock()
	defer l.underway.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	file, err := os.Open(l.file)
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	_, err = file.Seek(l.offset, io.SeekStart)
	Expect(err).NotTo(HaveOccurred())
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			break // the rest of a line is still to be written
		}
		l.offset += int64(len(line))
		l.add(bytes.TrimSpace(line))
	}
	return l.requests[mark:]
}

func (l *auditLog) add(line []byte) {
	var event struct {
		AuditID, Verb, RequestURI string
		ObjectRef                 struct{ Resource, Subresource, APIGroup, Namespace, Name string }
		ResponseStatus            struct{ Code int }
		Annotations               map[string]string
	}
	Expect(json.Unmarshal(line, &event)).To(Succeed(), "audit log: %s", line)
	if l.known[event.AuditID] {
		return // the end of a watch
	}
	l.known[event.AuditID] = true
	r := request{
		Verb: event.Verb, Group: event.ObjectRef.APIGroup, Resource: event.ObjectRef.Resource,
		Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name,
		Code: event.ResponseStatus.Code, URI: event.RequestURI,
		Unauthorized: event.Annotations["authorization.k8s.io/decision"] == "forbid",
	}
	if event.ObjectRef.Subresource != "" {
		r.Resource += "/" + event.ObjectRef.Subresource
	}
	l.requests = append(l.requests, r)
}
