// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package client sends requests from within a Pod, as tests that are outside tell
// it over HTTP: an Agent is in the Pod, and a Remote outside of it.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"externalbackend.dev/operator/test/traffic"
)

// Port is where an agent listens.
const Port = 8099

// Patience is how long each request of a flow may take. A busy machine may need
// more than a second, and a host that is gone does not answer in a minute either.
const Patience = 3 * time.Second

// Failure is a request of a flow that failed.
type Failure struct {
	Start, End time.Time
	To         netip.AddrPort
	Error      string
}

// Result tells of those requests of a flow that were started since a time and
// have come to an end.
type Result struct {
	Requests int
	Hosts    map[string]int // how many each host answered
	Failures []Failure
}

// Agent does what it is told. The zero value is ready for use.
type Agent struct {
	mu       sync.Mutex
	requests []traffic.Request
	stop     context.CancelFunc // nil while no flow runs
	done     chan struct{}
}

// Handler returns what serves an agent.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /fetch", fetch)
	mux.HandleFunc("GET /lookup", lookUp)
	mux.HandleFunc("POST /flow", a.start)
	mux.HandleFunc("DELETE /flow", a.finish)
	mux.HandleFunc("GET /flow", a.tell)
	return mux
}

// fetch sends one request to a host, a name or an address, and a port.
func fetch(w http.ResponseWriter, r *http.Request) {
	client := traffic.NewClient(nil)
	client.Timeout = Patience
	answer, err := traffic.FetchFrom(r.Context(), client, r.FormValue("to"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprint(w, answer)
}

// lookUp resolves a name to addresses of a network: ip, ip4 or ip6.
func lookUp(w http.ResponseWriter, r *http.Request) {
	resolver := net.Resolver{PreferGo: true}
	addrs, err := resolver.LookupNetIP(r.Context(), r.FormValue("network"), r.FormValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for _, addr := range addrs {
		fmt.Fprintln(w, addr.Unmap())
	}
}

// start starts a flow of a rate to addresses in turn. There is one at a time.
func (a *Agent) start(w http.ResponseWriter, r *http.Request) {
	rate, err := strconv.Atoi(r.FormValue("rate"))
	if err != nil || rate < 1 {
		http.Error(w, "rate must be the number of requests a second", http.StatusBadRequest)
		return
	}
	var to []netip.AddrPort
	for text := range strings.SplitSeq(r.FormValue("to"), ",") {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			http.Error(w, "to must be addresses with ports, separated by commas: "+err.Error(), http.StatusBadRequest)
			return
		}
		to = append(to, addr)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stop != nil {
		http.Error(w, "there is a flow already", http.StatusConflict)
		return
	}
	var sending context.Context
	sending, a.stop = context.WithCancel(context.Background())
	done := make(chan struct{})
	a.done = done
	go func() {
		defer close(done)
		client := traffic.NewClient(nil)
		client.Timeout = Patience
		traffic.Send(sending, client, rate, to, a.record)
	}()
}

func (a *Agent) record(r traffic.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r)
}

// finish ends the flow, if there is one, and waits for the requests under way.
func (a *Agent) finish(http.ResponseWriter, *http.Request) {
	a.mu.Lock()
	stop, done := a.stop, a.done
	a.stop = nil
	a.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// tell writes a Result as JSON.
func (a *Agent) tell(w http.ResponseWriter, r *http.Request) {
	since, err := time.Parse(time.RFC3339Nano, r.FormValue("since"))
	if err != nil {
		http.Error(w, "since must be a time: "+err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a.result(since)) // it fails if nobody listens any more
}

func (a *Agent) result(since time.Time) Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	result := Result{Hosts: map[string]int{}}
	for _, r := range a.requests {
		if r.Start.Before(since) || r.StoodStill(Patience) {
			continue
		}
		result.Requests++
		if r.Err != nil {
			result.Failures = append(result.Failures, Failure{r.Start, r.End, r.To, r.Err.Error()})
			continue
		}
		result.Hosts[r.Host]++
	}
	return result
}
