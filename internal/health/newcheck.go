// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	defaultTimeout      = 3 * time.Second
	defaultEdgeInterval = 2 * time.Second
)

// methods that a check may use: those that make sense without a body.
var methods = []string{"GET", "HEAD", "OPTIONS", "POST"}

// reservedHeaders are set by the checker, because they frame the message or
// belong to the connection (RFC 9110, sections 7.2 and 7.6.1).
var reservedHeaders = []string{
	"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection",
	"TE", "Trailer", "Transfer-Encoding", "Upgrade",
}

// NewCheck validates a definition, fills in defaults and computes its digest.
// The result shares no memory with the argument. Errors name the field and
// what to do about it.
func NewCheck(c Check) (*Check, error) {
	if c.Port == 0 {
		return nil, errors.New("port: must be between 1 and 65535")
	}
	if err := c.Timing.complete(); err != nil {
		return nil, err
	}
	switch {
	case c.Kind == TCP && c.HTTP == nil:
	case c.Kind == HTTP && c.HTTP != nil:
		h, err := c.HTTP.completed()
		if err != nil {
			return nil, err
		}
		c.HTTP = h
	default:
		return nil, fmt.Errorf("kind: %s does not fit the rest of the check; set http for, and only for, an HTTP check", c.Kind)
	}
	if c.TLS != nil {
		c.TLS = new(*c.TLS)
		if !visible(c.TLS.ServerName) {
			return nil, fmt.Errorf("tls.serverName: %q is no host name", c.TLS.ServerName)
		}
	}
	c.content = c.computeContent()
	c.digest = c.computeDigest()
	return &c, nil
}

func (t *Timing) complete() error {
	if t.Interval <= 0 {
		return errors.New("interval: must be positive")
	}
	if t.Timeout == 0 {
		t.Timeout = min(defaultTimeout, t.Interval)
	}
	if t.Timeout < 0 || t.Timeout > t.Interval {
		return fmt.Errorf("timeout: %s must be positive and at most the interval, %s", t.Timeout, t.Interval)
	}
	if t.EdgeInterval == 0 {
		t.EdgeInterval = min(defaultEdgeInterval, t.Interval)
	}
	if t.EdgeInterval < 0 {
		return fmt.Errorf("edgeInterval: %s must be positive", t.EdgeInterval)
	}
	if t.UnhealthyInterval == 0 {
		t.UnhealthyInterval = t.Interval
	}
	if t.UnhealthyInterval < t.Timeout {
		return fmt.Errorf("unhealthyInterval: %s must be at least the timeout, %s", t.UnhealthyInterval, t.Timeout)
	}
	return nil
}

func (h HTTPCheck) completed() (*HTTPCheck, error) {
	if h.Method == "" {
		h.Method = "GET"
	}
	if !slices.Contains(methods, h.Method) {
		return nil, fmt.Errorf("http.method: %q is not one of %s", h.Method, strings.Join(methods, ", "))
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if h.Path[0] != '/' || !visible(h.Path) {
		return nil, fmt.Errorf("http.path: %q must start with / and have spaces and special characters percent-encoded", h.Path)
	}
	if !isHost(h.Host) {
		return nil, fmt.Errorf("http.host: %q is no host name with an optional port", h.Host)
	}
	h.Headers = slices.Clone(h.Headers)
	for _, header := range h.Headers {
		if err := header.validate(); err != nil {
			return nil, err
		}
	}
	if err := h.completeExpectations(); err != nil {
		return nil, err
	}
	return &h, nil
}

// completeExpectations is about what an answer must be like.
func (h *HTTPCheck) completeExpectations() error {
	if len(h.ExpectedStatuses) == 0 {
		h.ExpectedStatuses = []StatusRange{{200, 399}}
	}
	h.ExpectedStatuses = slices.Clone(h.ExpectedStatuses)
	for _, r := range h.ExpectedStatuses {
		if r.From < 100 || r.To > 599 || r.From > r.To {
			return fmt.Errorf("http.expectedStatuses: %d-%d must be a range within 100-599", r.From, r.To)
		}
	}
	if h.Body == nil {
		return nil
	}
	h.Body = new(*h.Body)
	return h.Body.validate(h.Method)
}

func (h Header) validate() error {
	if h.Name == "" || strings.ContainsFunc(h.Name, notToken) {
		return fmt.Errorf("http.headers: %q is no header name", h.Name)
	}
	if slices.ContainsFunc(reservedHeaders, func(r string) bool { return strings.EqualFold(r, h.Name) }) {
		return fmt.Errorf("http.headers: %s is set by the checker itself; remove it (use http.host for the Host header)", h.Name)
	}
	if h.From != (SecretKey{}) && (h.Value != "" || h.From.Namespace == "" || h.From.Secret == "" || h.From.Key == "") {
		return fmt.Errorf("http.headers: %s needs either a value or the namespace, name and key of a Secret", h.Name)
	}
	if strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("http.headers: the value of %s contains control characters", h.Name)
	}
	return nil
}

// notToken says that a character may not be part of a token (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

// visible says that a string has visible ASCII characters only.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// isHost says whether a text can be sent as a host name with an optional port.
func isHost(s string) bool { return visible(s) && !strings.ContainsAny(s, "/?#@") }

// computeDigest hashes the rest of a definition beside its content.
func (c *Check) computeDigest() Digest {
	b := slices.Clone(c.content[:])
	b = binary.BigEndian.AppendUint16(b, c.Port)
	for _, d := range []time.Duration{c.Timing.Interval, c.Timing.Timeout, c.Timing.EdgeInterval, c.Timing.UnhealthyInterval} {
		b = binary.BigEndian.AppendUint64(b, uint64(d))
	}
	return sha256.Sum256(append(b, c.hostname...))
}

// computeContent hashes every field of the content with its length, so that no
// two different ones have the same encoding.
func (c *Check) computeContent() Digest {
	var b []byte
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	text := func(s string) { number(int64(len(s))); b = append(b, s...) }
	number(int64(c.Kind))
	if h := c.HTTP; h != nil {
		text(h.Method)
		text(h.Path)
		text(h.Host)
		number(int64(len(h.Headers)))
		for _, header := range h.Headers {
			text(header.Name)
			text(header.Value)
			text(header.From.Namespace)
			text(header.From.Secret)
			text(header.From.Key)
		}
		number(int64(len(h.ExpectedStatuses)))
		for _, r := range h.ExpectedStatuses {
			number(int64(r.From))
			number(int64(r.To))
		}
		if h.Body != nil {
			number(-1) // is no length, unlike what follows without
			text(h.Body.Contains)
			text(h.Body.Matches)
		}
	}
	if t := c.TLS; t != nil {
		text(t.ServerName)
		text(t.CABundle)
		if t.InsecureSkipVerify {
			number(1)
		}
	}
	return sha256.Sum256(b)
}
