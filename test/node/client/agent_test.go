// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"externalbackend.dev/operator/test/traffic"
)

// newRemote returns one whose agent is in this process, and the address of a host.
func newRemote(t *testing.T) (Remote, netip.AddrPort) {
	agent := httptest.NewServer(new(Agent).Handler())
	t.Cleanup(agent.Close)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, traffic.Answer{Host: "rack-a", Port: 8080})
	}))
	t.Cleanup(host.Close)
	return Remote{addressOf(agent)}, addressOf(host)
}

func addressOf(s *httptest.Server) netip.AddrPort {
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

func TestOneRequest(t *testing.T) {
	remote, host := newRemote(t)
	answer, err := remote.Fetch(t.Context(), host.String())
	if err != nil || answer.Host != "rack-a" {
		t.Errorf("answer %v, %v", answer, err)
	}
	if _, err := remote.Fetch(t.Context(), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a request to a closed port: %v", err)
	}
}

func TestLookUp(t *testing.T) {
	remote, _ := newRemote(t)
	addrs, err := remote.LookUp(t.Context(), "ip4", "localhost")
	if err != nil || len(addrs) == 0 || !addrs[0].IsLoopback() {
		t.Errorf("localhost is %v, %v", addrs, err)
	}
	if _, err := remote.LookUp(t.Context(), "ip4", "no such name"); err == nil {
		t.Error("a name that is none has addresses")
	}
}

func TestAFlowTellsWhatFailed(t *testing.T) {
	remote, host := newRemote(t)
	began := time.Now()
	refused := netip.MustParseAddrPort("127.0.0.1:1")
	if err := remote.StartFlow(t.Context(), 200, host, refused); err != nil {
		t.Fatal(err)
	}
	if err := remote.StartFlow(t.Context(), 200, host); err == nil {
		t.Error("there are two flows")
	}
	var result Result
	for result.Requests < 20 {
		var err error
		if result, err = remote.Flow(t.Context(), began); err != nil {
			t.Fatal(err)
		}
	}
	if err := remote.FinishFlow(t.Context()); err != nil {
		t.Fatal(err)
	}
	result, err := remote.Flow(t.Context(), began)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Failures) == 0 || result.Failures[0].To != refused || result.Hosts["rack-a"]+len(result.Failures) != result.Requests {
		t.Errorf("result %+v", result)
	}
	if later, err := remote.Flow(t.Context(), time.Now()); err != nil || later.Requests != 0 {
		t.Errorf("requests since the end: %+v, %v", later, err)
	}
}

func TestBadFlowsAreRefused(t *testing.T) {
	remote, host := newRemote(t)
	for name, err := range map[string]error{
		"rate": remote.StartFlow(t.Context(), 0, host),
		"to":   remote.StartFlow(t.Context(), 1),
	} {
		if err == nil || !strings.Contains(err.Error(), name+" must be") {
			t.Errorf("a flow with a bad %s: %v", name, err)
		}
	}
}
