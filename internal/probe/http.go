// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"externalbackend.dev/operator/internal/health"
)

const (
	maxResponseHeader = 16 << 10
	maxResponseBody   = 64 << 10
	// maxInformational bounds the 1xx responses before the final one, as
	// net/http does.
	maxInformational = 5
)

// httpExchange is one HTTP/1.1 request and its response, on a connection of
// its own. It uses net/http to read the response, but not its client: that
// keeps goroutines and a pool per connection, for connections used once.
type httpExchange struct {
	check       *health.HTTPCheck
	hostname    string // of the target; empty if it has none
	port        uint16
	defaultPort bool
	head, tail  string // of the request, around the Host value
	// credentials are headers that come between, with a value of the moment.
	credentials []health.Header
	request     http.Request
	body        *bodyMatcher // nil: any will do
}

func newHTTPExchange(check *health.Check, userAgent string, slots *turnstile) *httpExchange {
	defaultPort := uint16(80)
	if check.TLS != nil {
		defaultPort = 443
	}
	h := check.HTTP
	var tail strings.Builder
	var credentials []health.Header
	tail.WriteString("\r\n")
	for _, header := range h.Headers {
		if strings.EqualFold(header.Name, "User-Agent") {
			userAgent = ""
		}
		if header.From != (health.SecretKey{}) {
			credentials = append(credentials, header)
			continue
		}
		fmt.Fprintf(&tail, "%s: %s\r\n", header.Name, header.Value)
	}
	if userAgent != "" {
		fmt.Fprintf(&tail, "User-Agent: %s\r\n", userAgent)
	}
	if h.Method == http.MethodPost {
		tail.WriteString("Content-Length: 0\r\n")
	}
	tail.WriteString("Connection: close\r\n\r\n")
	var body *bodyMatcher
	if h.Body != nil {
		body = &bodyMatcher{text: []byte(h.Body.Contains), pattern: h.Body.Pattern(), slots: slots}
	}
	return &httpExchange{
		check:       h,
		hostname:    check.Hostname(),
		port:        check.Port,
		defaultPort: check.Port == defaultPort,
		head:        h.Method + " " + h.Path + " HTTP/1.1\r\nHost: ",
		tail:        tail.String(),
		credentials: credentials,
		request:     http.Request{Method: h.Method},
		body:        body,
	}
}

// with returns an exchange that sends the present values of its credentials, or why
// one of them cannot be had.
func (x *httpExchange) with(values func(health.SecretKey) (string, health.Reason)) (*httpExchange, health.Reason) {
	var lines strings.Builder
	for _, header := range x.credentials {
		value, problem := values(header.From)
		if problem != "" {
			return nil, problem
		}
		fmt.Fprintf(&lines, "\r\n%s: %s", header.Name, value)
	}
	filled := *x
	filled.tail = lines.String() + x.tail
	return &filled, ""
}

// host returns the Host header for a target.
func (x *httpExchange) host(addr netip.Addr) string {
	if x.check.Host != "" {
		return x.check.Host
	}
	addr = addr.WithZone("")
	switch {
	case x.hostname != "" && x.defaultPort:
		return x.hostname
	case x.hostname != "":
		return x.hostname + ":" + strconv.Itoa(int(x.port))
	case !x.defaultPort:
		return netip.AddrPortFrom(addr, x.port).String()
	case addr.Is6():
		return "[" + addr.String() + "]"
	default:
		return addr.String()
	}
}

// talk sends the request and judges the response. A complete response has an
// expected status and a body that ends, or exceeds what is read of it. What it
// has to hold makes no difference to that.
func (x *httpExchange) talk(ctx context.Context, conn net.Conn, addr netip.Addr) finding {
	if _, err := io.WriteString(conn, x.head+x.host(addr)+x.tail); err != nil {
		return classify(ctx, err, health.ResponseTimeout)
	}
	r := responseReaders.Get().(*responseReader)
	defer r.release()
	r.reset(conn)
	response, f := x.readHeader(ctx, r) //nolint:bodyclose // the connection is closed instead, unread
	if response == nil {
		return f
	}
	if !x.check.Expects(response.StatusCode) {
		return unexpected(response.StatusCode)
	}
	r.limited.N = math.MaxInt64
	if x.body != nil {
		return x.body.judge(ctx, response.Body)
	}
	if _, err := io.CopyN(io.Discard, response.Body, maxResponseBody); err != nil && !errors.Is(err, io.EOF) {
		return classifyHTTP(ctx, err)
	}
	return passed
}

// readHeader reads up to the header of the final response.
func (x *httpExchange) readHeader(ctx context.Context, r *responseReader) (*http.Response, finding) {
	for range maxInformational + 1 {
		framed, err := r.head()
		var response *http.Response
		if err == nil {
			response, err = http.ReadResponse(framed, &x.request)
		}
		switch {
		case err != nil && (r.limited.N <= 0 || errors.Is(err, errLongHead)):
			return nil, failed(health.ResponseTooLarge)
		case err != nil:
			return nil, classifyHTTP(ctx, err)
		case response.ProtoMajor != 1:
			return nil, failed(health.InvalidResponse)
		case response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols:
			return response, finding{}
		}
	}
	return nil, failed(health.InvalidResponse)
}

// classifyHTTP says what an error while reading a response means: what is no
// error of the connection is an error of the protocol.
func classifyHTTP(ctx context.Context, err error) finding {
	f := classify(ctx, err, health.ResponseTimeout)
	if f.reason == health.LocalError {
		return failed(health.InvalidResponse)
	}
	return f
}
