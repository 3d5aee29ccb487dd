// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// questions is a guard that remembers what it was asked.
type questions struct {
	mu    sync.Mutex
	asked []question
	deny  func(question) bool
}

type question struct {
	namespaces string
	to         netip.AddrPort
	before     int // how often it was asked before
}

func (q *questions) guard(namespaces []string, to netip.AddrPort) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	asked := question{strings.Join(namespaces, "+"), to, len(q.asked)}
	q.asked = append(q.asked, asked)
	if q.deny != nil && q.deny(asked) {
		return fmt.Errorf("%s must not be connected to", to)
	}
	return nil
}

func (q *questions) seen() []question {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.asked)
}

// results is an Observer that passes on the results of checks.
type results chan health.Result

func (r results) CheckDone(_ health.Kind, result health.Result, _ time.Duration) {
	select {
	case r <- result:
	default: // a further check, when the test has what it wants
	}
}

func (results) VerdictChanged(health.Subscriber, netip.Addr, health.Verdict, health.Verdict) {}

// first runs a scheduler with real sockets until the first check is done, and
// returns its result.
func first(t testing.TB, opts Options, addr netip.Addr, c *health.Check, subs ...health.Subscriber) health.Result {
	t.Helper()
	done := make(results, 1)
	opts.Observer = done
	s := New(opts)
	for _, sub := range subs {
		s.Ensure(sub, usual, []health.Target{{Addr: addr, Checks: []*health.Check{c}}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	result := <-done
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return result
}

// unreachable is a server that nobody must get through to.
func unreachable(t testing.TB) netip.AddrPort {
	return serve(t, func(net.Conn) { t.Error("a server was reached that must not be") })
}

// TestDeniedBeforeTheCheck: nothing is dialled, in whatever form the address
// was given.
func TestDeniedBeforeTheCheck(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		t.Error("a denied address was dialled")
		return nil, errors.New("denied")
	}
	for _, addr := range []netip.Addr{documented, netip.AddrFrom16(documented.As16())} {
		q := &questions{deny: func(asked question) bool { return asked.to == netip.AddrPortFrom(documented, 80) }}
		c := check(t, netip.AddrPortFrom(documented, 80))
		if got := first(t, Options{Dial: dial, Guard: q.guard}, addr, c, shop); got != denied {
			t.Errorf("%s: got %v", addr, got)
		}
		if seen := q.seen(); len(seen) != 1 || seen[0].namespaces != "shop" {
			t.Errorf("the guard was asked %v", seen)
		}
	}
}

// TestDeniedAtConnect has the guard change its mind while a check is running.
func TestDeniedAtConnect(t *testing.T) {
	server := unreachable(t)
	q := &questions{deny: func(asked question) bool { return asked.before > 0 }}
	if got := first(t, Options{Guard: q.guard}, server.Addr(), check(t, server, overHTTP()), shop); got.Outcome != health.Indeterminate || got.Reason != health.AddressDenied {
		t.Errorf("got %v", got)
	}
	if want := []question{{"shop", server, 0}, {"shop", server, 1}}; !slices.Equal(q.seen(), want) {
		t.Errorf("the guard was asked %v, want %v", q.seen(), want)
	}
}

// TestGuardIsAskedForAll: the namespaces that share a check answer for it
// together, each named once.
func TestGuardIsAskedForAll(t *testing.T) {
	server := serve(t, silent)
	second := health.Subscriber{Namespace: "shop", Name: "second", UID: "3"}
	q := &questions{}
	if got := first(t, Options{Guard: q.guard}, server.Addr(), check(t, server), shop, other, second); got.Outcome != health.Pass {
		t.Errorf("got %v", got)
	}
	if want := []question{{"other+shop", server, 0}, {"other+shop", server, 1}}; !slices.Equal(q.seen(), want) {
		t.Errorf("the guard was asked %v, want %v", q.seen(), want)
	}
}

// TestGuardForgetsNamespacesThatLeft: who does not want a check any more does
// not answer for it.
func TestGuardForgetsNamespacesThatLeft(t *testing.T) {
	q := &questions{deny: func(asked question) bool { return asked.namespaces == "shop" }}
	inWorld(t, Options{Guard: q.guard}, func(w *world) {
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.Ensure(other, usual, targets(1, health.Unknown, tcp(80)))
		w.run()
		w.after(time.Second)
		w.wantVerdicts(shop, health.Healthy)
		w.Forget(other)
		w.after(time.Minute)
		if seen := w.seen().done; seen[len(seen)-1] != denied {
			t.Errorf("the last check ended with %v", seen[len(seen)-1])
		}
		if got := w.Statuses(shop, nil)[0]; got.Verdict != health.Healthy || got.Obstacle != health.AddressDenied {
			t.Errorf("status is %+v: a denied check is no evidence, but has to be explained", got)
		}
	})
}

// TestDialGuardsTheSocket calls the real dialer with addresses that were never
// shown to the guard.
func TestDialGuardsTheSocket(t *testing.T) {
	server := unreachable(t)
	for _, host := range []string{"127.0.0.1", "::ffff:127.0.0.1"} {
		q := &questions{deny: func(question) bool { return true }}
		address := netip.AddrPortFrom(netip.MustParseAddr(host), server.Port()).String()
		_, err := newDial(q.guard)(t.Context(), "tcp", address)
		if f := classify(t.Context(), err, health.ConnectTimeout); f != undecided(health.AddressDenied) {
			t.Errorf("%s: got %v from %v", address, f, err)
		}
		if want := []question{{"", server, 0}}; !slices.Equal(q.seen(), want) {
			t.Errorf("the guard was asked %v, want %v", q.seen(), want)
		}
	}
}

// TestAnswersLeadNowhereElse has a target name other places in every way that
// HTTP knows. They are not connected to: the guard, which sees all that is, is
// asked about the target alone.
func TestAnswersLeadNowhereElse(t *testing.T) {
	for name, text := range map[string]string{
		"moved":              "HTTP/1.1 301 Moved Permanently\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n",
		"found":              "HTTP/1.1 302 Found\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n",
		"see other":          "HTTP/1.1 303 See Other\r\nLocation: //%s/\r\nContent-Length: 0\r\n\r\n",
		"use proxy":          "HTTP/1.1 305 Use Proxy\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n",
		"temporarily":        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n",
		"permanently":        "HTTP/1.1 308 Permanent Redirect\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n",
		"created":            "HTTP/1.1 201 Created\r\nLocation: http://%s/\r\nContent-Location: http://%[1]s/\r\nContent-Length: 0\r\n\r\n",
		"alternative":        "HTTP/1.1 200 OK\r\nAlt-Svc: h2=\"%s\", http/1.1=\"%[1]s\"\r\nContent-Length: 0\r\n\r\n",
		"refresh":            "HTTP/1.1 200 OK\r\nRefresh: 0; url=http://%s/\r\nLink: <http://%[1]s/>; rel=preload\r\nContent-Length: 0\r\n\r\n",
		"early hints":        "HTTP/1.1 103 Early Hints\r\nLink: <http://%s/>; rel=preconnect\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"proxy wants a word": "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"%s\"\r\nContent-Length: 0\r\n\r\n",
		"retry elsewhere":    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := unreachable(t)
			server := serve(t, answer(fmt.Sprintf(text, elsewhere)))
			q := &questions{}
			if got := first(t, Options{Guard: q.guard}, server.Addr(), check(t, server, overHTTP()), shop); got.Outcome == health.Indeterminate {
				t.Errorf("got %v", got)
			}
			if want := []question{{"shop", server, 0}, {"shop", server, 1}}; !slices.Equal(q.seen(), want) {
				t.Errorf("the guard was asked %v, want %v", q.seen(), want)
			}
		})
	}
}

// proxyVariable makes the test binary be the process of
// TestNoProxyIsUsed that has proxies in its environment.
const proxyVariable = "PROBE_TEST_PROXY"

// TestNoProxyIsUsed runs checks in a process whose environment names a proxy in
// every variable that is known for it. Connections stop at the guard, which
// tells where they were about to go.
func TestNoProxyIsUsed(t *testing.T) {
	if proxy := os.Getenv(proxyVariable); proxy != "" {
		checkPastProxy(t, proxy)
		return
	}
	proxy := unreachable(t)
	command := exec.Command(os.Args[0], "-test.run=^TestNoProxyIsUsed$", "-test.count=1")
	command.Env = append(os.Environ(), proxyVariable+"="+proxy.String())
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		url := "http://" + proxy.String()
		command.Env = append(command.Env, name+"="+url, strings.ToLower(name)+"="+url)
	}
	command.Env = append(command.Env, "NO_PROXY=", "no_proxy=", "REQUEST_METHOD=")
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

func checkPastProxy(t *testing.T, proxy string) {
	request, err := http.NewRequest(http.MethodGet, "http://"+documented.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if url, err := http.ProxyFromEnvironment(request); err != nil || url == nil || url.Host != proxy {
		t.Fatalf("a client that cares would use the proxy %v, %v, want %s: this environment tests nothing", url, err, proxy)
	}
	for port, edit := range map[uint16]func(*health.Check){
		80:   overHTTP(),
		8080: func(*health.Check) {},
		443:  func(c *health.Check) { overHTTP()(c); overTLS(health.TLSConfig{})(c) },
	} {
		to := netip.AddrPortFrom(documented, port)
		q := &questions{deny: func(asked question) bool { return asked.before > 0 }}
		if got := first(t, Options{Guard: q.guard}, documented, check(t, to, edit), shop); got.Reason != health.AddressDenied {
			t.Errorf("port %d: got %v", port, got)
		}
		if want := []question{{"shop", to, 0}, {"shop", to, 1}}; !slices.Equal(q.seen(), want) {
			t.Errorf("port %d: about to connect to %v, want %v", port, q.seen(), want)
		}
	}
}
