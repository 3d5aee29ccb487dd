// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func httpCheck() Check {
	return Check{
		Kind: HTTP, Port: 8080,
		Timing: Timing{Interval: 10 * time.Second, Timeout: 3 * time.Second, EdgeInterval: 2 * time.Second, UnhealthyInterval: 20 * time.Second},
		HTTP: &HTTPCheck{
			Method: "GET", Path: "/healthz?full=1", Host: "app.example:8080",
			Headers:          []Header{{Name: "X-Probe", Value: "1"}, {Name: "Accept", Value: "*/*"}, {Name: "Cookie", From: SecretKey{"shop", "checks", "cookie"}}},
			ExpectedStatuses: []StatusRange{{200, 204}, {301, 301}},
			Body:             &ExpectedBody{Contains: "ok"},
		},
		TLS: &TLSConfig{ServerName: "app.example", CABundle: "pem"},
	}
}

func mustCheck(t *testing.T, c Check) *Check {
	t.Helper()
	made, err := NewCheck(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestDigestCoversEveryField edits one field at a time.
func TestDigestCoversEveryField(t *testing.T) {
	seen := map[Digest]string{mustCheck(t, httpCheck()).Digest(): "the original"}
	for name, edit := range map[string]func(*Check){
		"port":               func(c *Check) { c.Port++ },
		"kind":               func(c *Check) { c.Kind, c.HTTP = TCP, nil },
		"interval":           func(c *Check) { c.Timing.Interval++ },
		"timeout":            func(c *Check) { c.Timing.Timeout++ },
		"edge interval":      func(c *Check) { c.Timing.EdgeInterval++ },
		"unhealthy interval": func(c *Check) { c.Timing.UnhealthyInterval++ },
		"method":             func(c *Check) { c.HTTP.Method = "OPTIONS" },
		"path":               func(c *Check) { c.HTTP.Path = "/" },
		"host":               func(c *Check) { c.HTTP.Host = "" },
		"header name":        func(c *Check) { c.HTTP.Headers[0].Name = "X-Prob" },
		"header boundary":    func(c *Check) { c.HTTP.Headers[0] = Header{Name: "X-Prob", Value: "e1"} },
		"secret namespace":   func(c *Check) { c.HTTP.Headers[2].From.Namespace = "shop2" },
		"secret name":        func(c *Check) { c.HTTP.Headers[2].From.Secret = "check" },
		"secret key":         func(c *Check) { c.HTTP.Headers[2].From.Key = "scookie" },
		"no secret":          func(c *Check) { c.HTTP.Headers[2].From = SecretKey{} },
		"header value":       func(c *Check) { c.HTTP.Headers[0].Value = "2" },
		"header order":       func(c *Check) { h := c.HTTP.Headers; h[0], h[1] = h[1], h[0] },
		"fewer headers":      func(c *Check) { c.HTTP.Headers = c.HTTP.Headers[:1] },
		"statuses":           func(c *Check) { c.HTTP.ExpectedStatuses[0].To++ },
		"body text":          func(c *Check) { c.HTTP.Body.Contains = "OK" },
		"way of matching":    func(c *Check) { c.HTTP.Body = &ExpectedBody{Matches: "ok"} },
		"body pattern":       func(c *Check) { c.HTTP.Body = &ExpectedBody{Matches: "OK"} },
		"no body":            func(c *Check) { c.HTTP.Body = nil },
		"server name":        func(c *Check) { c.TLS.ServerName = "" },
		"ca bundle":          func(c *Check) { c.TLS.CABundle = "" },
		"skip verify":        func(c *Check) { c.TLS.InsecureSkipVerify = true },
		"no tls":             func(c *Check) { c.TLS = nil },
	} {
		c := httpCheck()
		edit(&c)
		digest := mustCheck(t, c).Digest()
		if other, found := seen[digest]; found {
			t.Errorf("editing the %s yields the digest of %s", name, other)
		}
		seen[digest] = name
	}
}

func TestNewCheckDoesNotShareMemory(t *testing.T) {
	given := httpCheck()
	made := mustCheck(t, given)
	given.HTTP.Path, given.HTTP.Headers[0].Value, given.HTTP.ExpectedStatuses[0].From, given.TLS.ServerName, given.HTTP.Body.Contains = "/other", "9", 500, "other", "other"
	if again := mustCheck(t, httpCheck()); made.computeDigest() != again.Digest() {
		t.Error("an edit of the argument reached the finished check")
	}
}

func TestNewCheckDefaults(t *testing.T) {
	made := mustCheck(t, Check{Kind: HTTP, Port: 80, Timing: Timing{Interval: time.Second}, HTTP: &HTTPCheck{}})
	if want := (Timing{time.Second, time.Second, time.Second, time.Second}); made.Timing != want {
		t.Errorf("timing = %+v, want %+v", made.Timing, want)
	}
	if made.HTTP.Method != http.MethodGet || made.HTTP.Path != "/" {
		t.Errorf("asks for %s %s, want GET /", made.HTTP.Method, made.HTTP.Path)
	}
	for code, want := range map[int]bool{101: false, 199: false, 200: true, 399: true, 400: false, 503: false} {
		if made.HTTP.Expects(code) != want {
			t.Errorf("expects %d = %v, want %v", code, !want, want)
		}
	}
	explicit := mustCheck(t, Check{
		Kind: HTTP, Port: 80, Timing: made.Timing,
		HTTP: &HTTPCheck{Method: "GET", Path: "/", ExpectedStatuses: []StatusRange{{200, 399}}},
	})
	if explicit.Digest() != made.Digest() {
		t.Error("a default written out is another check")
	}
}

func TestNewCheckRejects(t *testing.T) {
	for field, edit := range map[string]func(*Check){
		"port":                                  func(c *Check) { c.Port = 0 },
		"kind":                                  func(c *Check) { c.HTTP = nil },
		"interval":                              func(c *Check) { c.Timing.Interval = 0 },
		"timeout":                               func(c *Check) { c.Timing.Timeout = c.Timing.Interval + 1 },
		"edgeInterval":                          func(c *Check) { c.Timing.EdgeInterval = -1 },
		"unhealthyInterval":                     func(c *Check) { c.Timing.UnhealthyInterval = c.Timing.Timeout - 1 },
		"http.method":                           func(c *Check) { c.HTTP.Method = "TRACE" },
		"http.path":                             func(c *Check) { c.HTTP.Path = "/ HTTP/1.1\r\nX: y" },
		"http.path: \"health\"":                 func(c *Check) { c.HTTP.Path = "health" },
		"http.host":                             func(c *Check) { c.HTTP.Host = "a\r\nb" },
		"http.host: \"a/b\"":                    func(c *Check) { c.HTTP.Host = "a/b" },
		"http.headers: \"\"":                    func(c *Check) { c.HTTP.Headers[0].Name = "" },
		"http.headers: \"X Y\"":                 func(c *Check) { c.HTTP.Headers[0].Name = "X Y" },
		"http.headers: host":                    func(c *Check) { c.HTTP.Headers[0].Name = "host" },
		"Cookie needs either":                   func(c *Check) { c.HTTP.Headers[2].Value = "1" },
		"Cookie needs":                          func(c *Check) { c.HTTP.Headers[2].From.Key = "" },
		"the value of X-Probe":                  func(c *Check) { c.HTTP.Headers[0].Value = "1\r\nHost: other" },
		"http.expectedStatuses":                 func(c *Check) { c.HTTP.ExpectedStatuses[0] = StatusRange{299, 200} },
		"http.expectedBody: a response to HEAD": func(c *Check) { c.HTTP.Method = "HEAD" },
		"http.expectedBody: set exactly one":    func(c *Check) { c.HTTP.Body = &ExpectedBody{} },
		"set exactly one of contains":           func(c *Check) { c.HTTP.Body.Matches = "ok" },
		"http.expectedBody.contains":            func(c *Check) { c.HTTP.Body.Contains = strings.Repeat("x", MaxBodyText+1) },
		"http.expectedBody.matches: error":      pattern("a("),
		"http.expectedBody.matches: 4097 bytes": pattern(strings.Repeat("x", 4097)),
		"too large, 1025 characters":            pattern(strings.Repeat("x", 1025)),
		"too large, 2000 characters":            pattern("a{500}b{500}"),
		"too large, 1150 characters":            pattern("(?:.{3}|b*){115}"),
		"tls.serverName":                        func(c *Check) { c.TLS.ServerName = "a b" },
	} {
		c := httpCheck()
		edit(&c)
		if _, err := NewCheck(c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got error %v, want one that names it", field, err)
		}
	}
}

func pattern(text string) func(*Check) {
	return func(c *Check) { c.HTTP.Body = &ExpectedBody{Matches: text} }
}

// TestPatternsOfTheLimit: without counted repetitions, all that the API takes
// is small enough.
func TestPatternsOfTheLimit(t *testing.T) {
	for _, unit := range []string{"x", "a|bc|", "a?", "(a)", "[ab]*", `\pL+`, "(?:ab|a*)", "^$", "(?i:ab)"} {
		c := httpCheck()
		pattern(strings.Repeat(unit, 1024/len(unit)))(&c)
		if made := mustCheck(t, c); made.HTTP.Body.Pattern() == nil {
			t.Errorf("%s: no expression", unit)
		}
	}
	if mustCheck(t, httpCheck()).HTTP.Body.Pattern() != nil {
		t.Error("a text is an expression")
	}
}

func TestUnexpectedStatus(t *testing.T) {
	for code, want := range map[int]Reason{
		101: UnexpectedStatus1xx, 204: UnexpectedStatus2xx, 302: UnexpectedStatus3xx,
		404: UnexpectedStatus4xx, 503: UnexpectedStatus5xx, 799: UnexpectedStatusOther,
	} {
		if got := UnexpectedStatus(code); got != want {
			t.Errorf("UnexpectedStatus(%d) = %s, want %s", code, got, want)
		}
	}
}

func TestStrings(t *testing.T) {
	got := []string{
		Unknown.String(), Healthy.String(), Unhealthy.String(),
		Indeterminate.String(), Pass.String(), Fail.String(), TCP.String(), HTTP.String(),
	}
	want := "Unknown Healthy Unhealthy Indeterminate Pass Fail TCP HTTP"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestReasonIsTimeout(t *testing.T) {
	for reason, want := range map[Reason]bool{
		ConnectTimeout: true, ResponseTimeout: true, TLSHandshakeTimeout: true,
		ConnectionRefused: false, SchedulingDelay: false, "": false,
	} {
		if reason.IsTimeout() != want {
			t.Errorf("%q.IsTimeout() = %v, want %v", reason, !want, want)
		}
	}
}

// TestHasCustomHost: what may have another virtual host answer than the one at the
// target's address.
func TestHasCustomHost(t *testing.T) {
	header := func(name string) Check {
		return Check{Kind: HTTP, HTTP: &HTTPCheck{Headers: []Header{{Name: "Accept", Value: "*/*"}, {Name: name, Value: "x"}}}}
	}
	checks := map[string]Check{
		"Host":             {Kind: HTTP, HTTP: &HTTPCheck{Host: "app.example"}},
		"name of a server": {Kind: HTTP, HTTP: &HTTPCheck{}, TLS: &TLSConfig{ServerName: "app.example"}},
		"the same by TCP":  {Kind: TCP, TLS: &TLSConfig{ServerName: "app.example"}},
		"from a Secret": {Kind: HTTP, HTTP: &HTTPCheck{Headers: []Header{
			{Name: "Authorization", From: SecretKey{"shop", "checks", "token"}}, {Name: "X-Forwarded-Host", From: SecretKey{"shop", "checks", "host"}},
		}}},
	}
	for _, name := range []string{
		"Forwarded", "forwarded", "X-Forwarded-Host", "x-forwarded-host", "X_Forwarded_Host", "X-Forwarded-Server",
		"X-Host", "X-Original-Host", "X-HTTP-Host-Override", "Proxy-Host", "X-Hostname", "X-VHost",
		"X-Original-URL", "X-Rewrite-URL", "X_REWRITE_URL", "X-Original-URI", "X-Forwarded-URI", "X-Forwarded-Authority", "Authority",
		"X-Envoy-Original-Dst-Host",
	} {
		checks[name] = header(name)
	}
	for name, check := range checks {
		if !check.HasCustomHost() {
			t.Errorf("%s: names no host", name)
		}
	}
	checks = map[string]Check{
		"TCP": {Kind: TCP}, "TCP by TLS": {Kind: TCP, TLS: &TLSConfig{}}, "HTTP": {Kind: HTTP, HTTP: &HTTPCheck{}},
		"HTTPS": {Kind: HTTP, HTTP: &HTTPCheck{}, TLS: &TLSConfig{InsecureSkipVerify: true}},
	}
	for _, name := range []string{"Accept", "Authorization", "Origin", "X-Forwarded-For", "X-Forwarded-Proto", "X-Health-Check", "X-Request-ID", "X-Url"} {
		checks[name] = header(name)
	}
	for name, check := range checks {
		if check.HasCustomHost() {
			t.Errorf("%s: names a host", name)
		}
	}
}

// TestChecksAreLengthened: one that is made less often is another check, and the
// first one stays what it is.
func TestChecksAreLengthened(t *testing.T) {
	check := mustCheck(t, httpCheck())
	if check.AtLeast(2*time.Second) != check {
		t.Error("a check that keeps to it is another one")
	}
	for _, least := range []time.Duration{3 * time.Second, 15 * time.Second, time.Minute} {
		wanted := httpCheck()
		wanted.Timing = Timing{
			Interval: max(10*time.Second, least), Timeout: 3 * time.Second, EdgeInterval: least, UnhealthyInterval: max(20*time.Second, least),
		}
		if longer := check.AtLeast(least); longer.Timing != wanted.Timing || longer.Digest() != mustCheck(t, wanted).Digest() {
			t.Errorf("at least %s: %+v", least, longer.Timing)
		}
	}
	if check.Timing != httpCheck().Timing {
		t.Errorf("it has become %+v", check.Timing)
	}
}
