// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/internal/sliceplan"
)

var (
	internalError = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError}
	conflict      = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusConflict, Reason: metav1.StatusReasonConflict}
	forbidden     = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}
	expired       = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired}
	unavailable   = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusServiceUnavailable, Reason: metav1.StatusReasonServiceUnavailable}
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

// always is more requests than any spec makes.
const always = math.MaxInt

// answerFirst answers the first n writes below a path itself.
func answerFirst(n int, path string, status metav1.Status) fault {
	return answerSome(n, writing(path), status)
}

// answerSome answers the first n of certain requests itself.
func answerSome(n int, which func(*http.Request) bool, status metav1.Status) fault {
	var mu sync.Mutex
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		mu.Lock()
		mine := n > 0 && which(r)
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

// all and reading tell requests apart: any, and those that fill caches.
func all(*http.Request) bool { return true }

func reading(r *http.Request) bool {
	query := r.URL.Query()
	return r.Method == http.MethodGet && (query.Has("watch") || query.Has("limit"))
}

// writing tells writes below a path apart, and creating the creations at one.
func writing(path string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, path)
	}
}

func creating(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == path }
}

// on has a fault happen to certain requests.
func on(which func(*http.Request) bool, f fault) fault {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !which(r) {
			return next.RoundTrip(r)
		}
		return f(r, next)
	}
}

// outage cuts the operator off: certain requests get through no more, and those
// that were open break.
type outage struct {
	which func(*http.Request) bool

	mu      sync.Mutex
	down    bool
	refused int
	open    map[*http.Request]context.CancelFunc
}

func newOutage(which func(*http.Request) bool) *outage {
	return &outage{which: which, open: make(map[*http.Request]context.CancelFunc)}
}

func (o *outage) fault(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if !o.which(r) {
		return next.RoundTrip(r)
	}
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

// lag holds up what the caches are told by certain requests.
type lag struct {
	of func(*http.Request) bool

	mu   sync.Mutex
	over chan struct{} // nil: nothing is held up
}

// ownSlices and services tell apart what fills caches.
func ownSlices(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Query().Get("labelSelector"), "="+sliceplan.ManagedBy)
}

func services(r *http.Request) bool { return r.URL.Path == "/api/v1/services" }

func (l *lag) fault(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil || !reading(r) || !l.of(r) {
		return response, err
	}
	response.Body = &body{ReadCloser: response.Body, closed: func() {}, before: func() error {
		l.mu.Lock()
		over := l.over
		l.mu.Unlock()
		if over == nil {
			return nil
		}
		select {
		case <-over:
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}}
	return response, nil
}

func (l *lag) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == nil {
		l.over = make(chan struct{})
	}
}

func (l *lag) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		close(l.over)
		l.over = nil
	}
}

// quota lets so many writes below a path through, and no more until it is dead.
type quota struct {
	path string

	mu    sync.Mutex
	left  int
	stuck int
}

func (q *quota) fault(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if !writing(q.path)(r) {
		return next.RoundTrip(r)
	}
	q.mu.Lock()
	if q.left > 0 {
		q.left--
		q.mu.Unlock()
		return next.RoundTrip(r)
	}
	q.stuck++
	q.mu.Unlock()
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// heldUp returns how many writes did not get through.
func (q *quota) heldUp() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stuck
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
