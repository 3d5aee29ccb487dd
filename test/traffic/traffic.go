// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package traffic is the client of a Service: it sends requests, each over a
// connection of its own, and tells which host answered and what failed.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Timeout bounds a request from dialling to the end of the answer.
const Timeout = time.Second

// DialFunc connects, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Answer says who answered a request.
type Answer struct {
	Host string // name of the external host; "" in a failed request
	Port uint16 // that the host was asked at
}

// String is the answer's text on the wire.
func (a Answer) String() string { return fmt.Sprintf("%s %d\n", a.Host, a.Port) }

// ParseAnswer reads what String wrote.
func ParseAnswer(text string) (Answer, error) {
	host, port, found := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
	number, err := strconv.ParseUint(port, 10, 16)
	if !found || err != nil {
		return Answer{}, fmt.Errorf("answer %q is not that of an external host", text)
	}
	return Answer{host, uint16(number)}, nil
}

// Request is a finished request.
type Request struct {
	Answer
	Start, End time.Time
	To         netip.AddrPort
	IPv6       bool
	Err        error
	// Stalled is how long the client itself stood still meanwhile, at a time. A
	// request that ran out of time then says nothing about the network.
	Stalled time.Duration
}

// StoodStill says whether the request ran out of its time, timeout, while the
// client itself stood still for half of that.
func (r Request) StoodStill(timeout time.Duration) bool {
	err, ok := errors.AsType[net.Error](r.Err)
	return ok && err.Timeout() && r.Stalled > timeout/2
}

// NewClient returns a client that opens a connection for every request and
// never tries one twice. A nil dial connects from the namespace of the process.
func NewClient(dial DialFunc) *http.Client {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &http.Client{Timeout: Timeout, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
}

// Fetch sends GET / to the address and returns the answer. An error says whether
// there was a connection.
func Fetch(ctx context.Context, client *http.Client, to netip.AddrPort) (Answer, error) {
	return FetchFrom(ctx, client, to.String())
}

// FetchFrom is Fetch for a host that may be a name, with a port.
func FetchFrom(ctx context.Context, client *http.Client, to string) (Answer, error) {
	connected, began := false, time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	answer, err := fetch(ctx, client, to)
	if err != nil {
		err = fmt.Errorf("after %v, connected: %t: %w", time.Since(began).Round(time.Millisecond), connected, err)
	}
	return answer, err
}

func fetch(ctx context.Context, client *http.Client, to string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+to+"/", nil)
	if err != nil {
		return Answer{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return Answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("status %s", resp.Status)
	}
	return ParseAnswer(string(body))
}

// pulse remembers when a client stood still.
type pulse struct {
	mu     sync.Mutex
	last   time.Time
	pauses [][2]time.Time
}

// noticeable is a pause that is none of the ordinary ones of a busy machine.
const noticeable = 100 * time.Millisecond

func (p *pulse) beat(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.last) >= noticeable {
		p.pauses = append(p.pauses, [2]time.Time{p.last, now})
	}
	p.last = now
}

// stalled returns the longest pause between two times, the present one included.
func (p *pulse) stalled(from, to time.Time) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pause := range append(slices.Clip(p.pauses), [2]time.Time{p.last, to}) {
		begin, end := pause[0], pause[1]
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		longest = max(longest, end.Sub(begin))
	}
	return longest
}

// Send sends requests to the addresses in turn until ctx is done, rate of them
// in a second, then waits for those under way. It keeps to its rate on average:
// after a stall it catches up. Each finished request goes to record, from
// several goroutines.
func Send(ctx context.Context, client *http.Client, rate int, to []netip.AddrPort, record func(Request)) {
	var underWay sync.WaitGroup
	defer underWay.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	began, sent := time.Now(), 0
	alive := pulse{last: began}
	for {
		alive.beat(time.Now())
		for ; sent < int(time.Since(began).Seconds()*float64(rate)); sent++ {
			addr := to[sent%len(to)]
			underWay.Go(func() {
				r := Request{Start: time.Now(), To: addr, IPv6: addr.Addr().Is6()}
				// Not ctx: the last requests may end as they would anyway.
				r.Answer, r.Err = Fetch(context.WithoutCancel(ctx), client, addr)
				r.End = time.Now()
				r.Stalled = alive.stalled(r.Start, r.End)
				record(r)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
