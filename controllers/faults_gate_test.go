// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	internalError = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError}
	conflict      = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusConflict, Reason: metav1.StatusReasonConflict}
	forbidden     = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}
	tooMany       = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusTooManyRequests, Reason: metav1.StatusReasonTooManyRequests}
)

// answer is one of the API server that it never gave.
func answer(r *http.Request, status metav1.Status) *http.Response {
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	status.Message = "made up by the test"
	body, err := json.Marshal(status)
	if err != nil {
		panic(err) // of a type that always can be
	}
	return &http.Response{
		StatusCode: int(status.Code), Status: http.StatusText(int(status.Code)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// answerFirst answers the first n writes below a path itself.
func answerFirst(n int, path string, status metav1.Status) fault {
	var mu sync.Mutex
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		mu.Lock()
		mine := n > 0 && r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, path)
		if mine {
			n--
		}
		mu.Unlock()
		if mine {
			return answer(r, status), nil
		}
		return next.RoundTrip(r)
	}
}

// stall holds up what watches of one path tell, as a slow network or an API server
// under load does.
type stall struct {
	path string
	mu   sync.Mutex
	held chan struct{} // closed when nothing is held up; nil if nothing is
}

func (s *stall) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(chan struct{})
	}
}

func (s *stall) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		close(s.held)
		s.held = nil
	}
}

func (s *stall) fault(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil || r.URL.Path != s.path || r.URL.Query().Get("watch") == "" {
		return response, err
	}
	response.Body = &body{ReadCloser: response.Body, closed: func() {}, before: func() error {
		s.mu.Lock()
		held := s.held
		s.mu.Unlock()
		if held == nil {
			return nil
		}
		select {
		case <-held:
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}}
	return response, nil
}

// outage cuts the operator off: nothing gets through any more, and what was open
// breaks.
type outage struct {
	mu      sync.Mutex
	down    bool
	refused int
	open    map[*http.Request]context.CancelFunc
}

func newOutage() *outage { return &outage{open: make(map[*http.Request]context.CancelFunc)} }

func (o *outage) fault(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	o.mu.Lock()
	if o.down {
		o.refused++
		o.mu.Unlock()
		cancel()
		return nil, errors.New("the network is down")
	}
	o.open[r] = cancel
	o.mu.Unlock()
	done := func() {
		cancel()
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.open, r)
	}
	response, err := next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		done()
		return nil, err
	}
	response.Body = &body{ReadCloser: response.Body, closed: done}
	return response, nil
}

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = true
	for _, cancel := range o.open {
		cancel()
	}
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = false
}

// attempts returns how many requests got nowhere.
func (o *outage) attempts() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused
}

// body tells when it is closed, and may wait before it is read.
type body struct {
	io.ReadCloser
	before func() error
	closed func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.before != nil && n > 0 {
		if err := b.before(); err != nil {
			return 0, err
		}
	}
	return n, err
}

func (b *body) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}

// textOf returns what a request sends.
func textOf(r *http.Request) string {
	if r.GetBody == nil {
		return ""
	}
	sent, err := r.GetBody()
	if err != nil {
		return ""
	}
	defer sent.Close()
	text, err := io.ReadAll(sent)
	if err != nil {
		return ""
	}
	return string(text)
}
