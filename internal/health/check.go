// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// Kind is the protocol of a check.
type Kind uint8

const (
	// TCP passes when a connection can be made and, with TLS configured, the
	// handshake succeeds.
	TCP Kind = iota + 1
	// HTTP passes when the response has an expected status and body, and is
	// complete.
	// With TLS configured it is HTTPS.
	HTTP
)

// String returns the kind as it appears in metrics.
func (k Kind) String() string {
	switch k {
	case TCP:
		return "TCP"
	case HTTP:
		return "HTTP"
	default:
		return "Invalid"
	}
}

// Check defines one check. It is made by NewCheck, immutable afterwards, and
// shared by pointer by every target that uses it.
type Check struct {
	Kind Kind
	// Port is the destination port, 1 to 65535.
	Port   uint16
	Timing Timing
	// HTTP is set for, and only for, Kind HTTP.
	HTTP *HTTPCheck
	// TLS, if set, wraps the connection in TLS, verified by default.
	TLS *TLSConfig

	// hostname is the target's own name, where it has one.
	hostname string
	// content is the digest of Kind, HTTP and TLS, which may be long.
	content, digest Digest
}

// Timing says how often a check runs and how long it may take. Intervals are
// measured from start to start.
type Timing struct {
	// Interval between checks in a settled state.
	Interval time.Duration
	// Timeout of one check from the start of dialling; at most Interval.
	// Default: the lesser of 3 s and Interval.
	Timeout time.Duration
	// EdgeInterval is used while a verdict is pending; it takes effect as at
	// least Timeout and at most the settled interval. Default: 2 s.
	EdgeInterval time.Duration
	// UnhealthyInterval replaces Interval while Unhealthy; at least Timeout.
	// Default: Interval.
	UnhealthyInterval time.Duration
}

// Edge returns the shortest time between the starts of two checks, while a verdict
// is pending.
func (t Timing) Edge() time.Duration { return t.edge(min(t.Interval, t.UnhealthyInterval)) }

func (t Timing) edge(settled time.Duration) time.Duration {
	return max(min(t.EdgeInterval, settled), t.Timeout)
}

// AtLeast returns the timing with no interval shorter than that.
func (t Timing) AtLeast(least time.Duration) Timing {
	t.Interval, t.EdgeInterval, t.UnhealthyInterval = max(t.Interval, least), max(t.EdgeInterval, least), max(t.UnhealthyInterval, least)
	return t
}

// HTTPCheck says what to ask for and which answers are good.
type HTTPCheck struct {
	// Method is GET, HEAD, OPTIONS or POST (without a body). Default: GET.
	Method string
	// Path is the request target: absolute, may carry a query. Default: "/".
	Path string
	// Host is the Host header, with or without a port. Default: the name of the
	// target (Hostname), else its address, with the port unless it is the scheme's
	// default.
	Host string
	// Headers are sent in order, those from Secrets first. Headers that frame
	// the message or belong to the connection are rejected by NewCheck.
	Headers []Header
	// ExpectedStatuses are the statuses that pass. Default: 200 to 399.
	ExpectedStatuses []StatusRange
	// Body, if set, is what a response with an expected status must hold.
	Body *ExpectedBody
}

// Header is one request header. Its value is Value, or what From refers to when
// the check runs: a credential is no part of a check's definition.
type Header struct {
	Name, Value string
	// From is zero unless the value comes from a Secret.
	From SecretKey
}

// SecretKey refers to one value in a Secret.
type SecretKey struct{ Namespace, Secret, Key string }

// Credentials are the values from Secrets that a check sends, in the order of its
// headers.
func (c *Check) Credentials() iter.Seq[SecretKey] {
	return func(yield func(SecretKey) bool) {
		if c.HTTP == nil {
			return
		}
		for i := range c.HTTP.Headers {
			if from := c.HTTP.Headers[i].From; from != (SecretKey{}) && !yield(from) {
				return
			}
		}
	}
}

// HasCredentials says whether a check sends values from Secrets.
func (c *Check) HasCredentials() bool {
	return c.HTTP != nil && slices.ContainsFunc(c.HTTP.Headers, func(h Header) bool { return h.From != (SecretKey{}) })
}

// HasCustomHost says whether a check names the host that it is for, and so may
// choose among those that a target serves: as Host, as the name of a server, or in
// a header that proxies and frameworks take for either.
func (c *Check) HasCustomHost() bool {
	return c.TLS != nil && c.TLS.ServerName != "" ||
		c.HTTP != nil && (c.HTTP.Host != "" || slices.ContainsFunc(c.HTTP.Headers, Header.namesHost))
}

// namesHost errs on the side of yes: there is no registry of these headers but for
// Forwarded (RFC 7239). Servers that hand headers on as variables (RFC 3875) take
// an underscore for a hyphen.
func (h Header) namesHost() bool {
	name := strings.ReplaceAll(strings.ToLower(h.Name), "_", "-")
	return strings.Contains(name, "host") || strings.Contains(name, "authority") || slices.Contains(hostHeaders, name)
}

// hostHeaders hold a host, or a URL that may have one, and do not say so.
var hostHeaders = []string{
	"forwarded", "x-forwarded-server", "x-forwarded-uri", "x-forwarded-url",
	"x-original-uri", "x-original-url", "x-rewrite-uri", "x-rewrite-url",
}

// StatusRange is a range of HTTP status codes, both ends inclusive.
type StatusRange struct{ From, To int }

// Expects says whether a status code passes the check.
func (h *HTTPCheck) Expects(code int) bool {
	return slices.ContainsFunc(h.ExpectedStatuses, func(r StatusRange) bool {
		return r.From <= code && code <= r.To
	})
}

// TLSConfig says how the peer of a TLS connection is verified.
type TLSConfig struct {
	// ServerName is sent as SNI and verified. Default: the HTTP Host without
	// its port, else the name of the target (Hostname), else the IP address
	// (which is verified, but never sent as SNI).
	ServerName string
	// CABundle holds PEM certificates to trust instead of the system's.
	CABundle string
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool
}

// Digest identifies a check definition by everything that influences its
// results and timing. The user's name for the check is not part of it.
type Digest [32]byte

// AtLeast returns the check with no interval shorter than that.
func (c *Check) AtLeast(least time.Duration) *Check {
	timing := c.Timing.AtLeast(least)
	if timing == c.Timing {
		return c
	}
	return c.with(func(longer *Check) { longer.Timing = timing })
}

// OnPort returns the check of another port, 1 to 65535.
func (c *Check) OnPort(port uint16) *Check {
	if port == c.Port {
		return c
	}
	return c.with(func(other *Check) { other.Port = port })
}

// WithHostname returns the check of targets that have a name of their own. It is
// the same one if it does not ask for names, or says itself for which. What
// cannot be sent as a name is none.
func (c *Check) WithHostname(hostname string) *Check {
	if !isHost(hostname) || strings.Contains(hostname, ":") || !c.asksForTarget() {
		hostname = ""
	}
	if hostname == c.hostname {
		return c
	}
	return c.with(func(named *Check) { named.hostname = hostname })
}

// Hostname is what HTTP.Host and TLS.ServerName default to: the target's own name
// (WithHostname), or empty.
func (c *Check) Hostname() string { return c.hostname }

// asksForTarget says whether the name of the target makes a difference.
func (c *Check) asksForTarget() bool {
	if c.HTTP != nil {
		return c.HTTP.Host == ""
	}
	return c.TLS != nil && c.TLS.ServerName == ""
}

func (c *Check) with(edit func(*Check)) *Check {
	other := *c
	edit(&other)
	other.digest = other.computeDigest()
	return &other
}

// Digest returns the identity of the check, computed once by NewCheck.
func (c *Check) Digest() Digest { return c.digest }
