// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/traffic"
)

// enough is how many requests are sent to see where they go: with four hosts,
// one is missed by chance in one of 10^9 cases.
const enough = 80

const (
	// rate is how many requests a flow starts in a second.
	rate = 200
	// patience is how long each may take. A busy machine may need more than a
	// second, and a host that is gone does not answer in a minute either.
	patience = 3 * time.Second
)

// clusterIPs returns the Service's port on each of its addresses.
func clusterIPs(service *corev1.Service, port uint16) []netip.AddrPort {
	var to []netip.AddrPort
	for _, ip := range service.Spec.ClusterIPs {
		to = append(to, netip.AddrPortFrom(netip.MustParseAddr(ip), port))
	}
	return to
}

// nodePorts returns the Service's first port on each address of the node.
func nodePorts(service *corev1.Service) []netip.AddrPort {
	var to []netip.AddrPort
	for _, ip := range rack.NodeIPs {
		to = append(to, netip.AddrPortFrom(ip, uint16(service.Spec.Ports[0].NodePort)))
	}
	return to
}

// ofType gives a Service a type.
func ofType(serviceType corev1.ServiceType) func(*corev1.Service) {
	return func(service *corev1.Service) { service.Spec.Type = serviceType }
}

// names returns the names of the hosts.
func names(hosts ...*rack.Host) []string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	return all
}

// answerers sends enough requests, which must all be answered, and returns who
// did.
func answerers(ctx context.Context, dial traffic.DialFunc, to netip.AddrPort) []string {
	GinkgoHelper()
	var by []string
	for _, a := range answers(ctx, dial, to) {
		by = append(by, a.Host)
	}
	return slices.Compact(by)
}

// answers returns the different answers to enough requests, in order.
func answers(ctx context.Context, dial traffic.DialFunc, to netip.AddrPort) []traffic.Answer {
	GinkgoHelper()
	client := traffic.NewClient(dial)
	client.Timeout = patience
	seen := map[traffic.Answer]bool{}
	for range enough {
		a, err := traffic.Fetch(ctx, client, to)
		Expect(err).NotTo(HaveOccurred(), "a request to %s", to)
		seen[a] = true
	}
	all := make([]traffic.Answer, 0, len(seen))
	for a := range seen {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b traffic.Answer) int { return slices.Compare([]byte(a.String()), []byte(b.String())) })
	return all
}

// refusalBound is how long a refusal may take. Linux heeds one that comes while
// it still sends the first packet only when it has sent the second, after 1 s.
const refusalBound = 3 * time.Second

// connect opens a connection from the client outside and closes it.
func connect(ctx context.Context, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, refusalBound)
	defer cancel()
	conn, err := installed.Client.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// reached returns to how many of the addresses connections from the client
// outside can be opened.
func reached(ctx context.Context, to []netip.AddrPort) int {
	ctx, cancel := context.WithTimeout(ctx, traffic.Timeout)
	defer cancel()
	var count atomic.Int32
	var dialling sync.WaitGroup
	for _, addr := range to {
		dialling.Go(func() {
			if conn, err := installed.Client.DialContext(ctx, "tcp", addr.String()); err == nil {
				_ = conn.Close()
				count.Add(1)
			}
		})
	}
	dialling.Wait()
	return int(count.Load())
}

// flow is a client that sends requests all the while.
type flow struct {
	to     []netip.AddrPort
	stop   context.CancelFunc
	sender sync.WaitGroup

	mu       sync.Mutex
	requests []traffic.Request
}

// startFlow sends requests to the addresses in turn until the case ends.
func startFlow(to ...netip.AddrPort) *flow {
	f := &flow{to: to}
	f.start()
	DeferCleanup(f.finish)
	return f
}

func (f *flow) start() {
	var sending context.Context
	sending, f.stop = context.WithCancel(context.Background())
	client := traffic.NewClient(nil)
	client.Timeout = patience
	f.sender.Go(func() {
		traffic.Send(sending, client, rate, f.to, func(r traffic.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.requests = append(f.requests, r)
		})
	})
}

// finish sends no more requests and waits for those under way.
func (f *flow) finish() {
	f.stop()
	f.sender.Wait()
}

// startedSince returns the finished requests that were started at a time or
// later.
func (f *flow) startedSince(t time.Time) []traffic.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.requests), func(r traffic.Request) bool { return r.Start.Before(t) })
}

// expectNoFailure lets enough further requests come to an end, and those under
// way, and checks that of all that were started at a time or later none failed.
// It returns them.
func (f *flow) expectNoFailure(ctx context.Context, since time.Time) []traffic.Request {
	GinkgoHelper()
	now := time.Now()
	Eventually(func() int { return len(f.startedSince(now)) }).WithContext(ctx).Should(BeNumerically(">=", enough))
	f.finish() // a request that hangs counts too
	defer f.start()
	requests := f.startedSince(since)
	failed := slices.DeleteFunc(slices.Clone(requests), func(r traffic.Request) bool {
		// What ran out of time while the client itself stood still proves nothing.
		return r.Err == nil || r.StoodStill(patience)
	})
	Expect(failed).To(BeEmpty(), "%d of %d requests since %s failed", len(failed), len(requests), since.Format(time.TimeOnly))
	return requests
}

// session is a connection that stays open.
type session struct {
	client *http.Client
	to     netip.AddrPort
	host   string
}

// openSession opens a connection to the address and keeps it until the case ends.
func openSession(ctx context.Context, to netip.AddrPort) *session {
	GinkgoHelper()
	transport := &http.Transport{MaxConnsPerHost: 1}
	DeferCleanup(transport.CloseIdleConnections)
	s := &session{client: &http.Client{Timeout: patience, Transport: transport}, to: to}
	answer, err := traffic.Fetch(ctx, s.client, to)
	Expect(err).NotTo(HaveOccurred())
	s.host = answer.Host
	return s
}

// ask sends a request over the very connection and returns who answered.
func (s *session) ask(ctx context.Context) (string, error) {
	reused := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }})
	answer, err := traffic.Fetch(ctx, s.client, s.to)
	if err == nil && !reused {
		err = fmt.Errorf("the connection to %s was lost", s.host)
	}
	return answer.Host, err
}
