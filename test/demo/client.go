// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// requestRate is how many requests the client starts in a second.
	requestRate = 40
	// requestTimeout bounds a request from dialling to the end of the answer.
	requestTimeout = time.Second
)

// request is a finished request.
type request struct {
	start, end time.Time
	ipv6       bool
	host       string // the host that answered; "" if the request failed
	err        error
}

// newHTTPClient returns a client that opens a connection for every request and
// never tries one twice.
func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext},
	}
}

// fetch sends GET / and returns the answer: the name of the host that gave it.
func fetch(ctx context.Context, client *http.Client, addr netip.Addr, port string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(addr.String(), port)+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return string(body), err
}

// sendRequests sends requests to the addresses in turn until ctx is done, then
// waits for those under way. It keeps to its rate on average: after a stall it
// catches up. Each finished request goes to record, from several goroutines.
func sendRequests(ctx context.Context, addrs []netip.Addr, port string, record func(request)) {
	var underWay sync.WaitGroup
	defer underWay.Wait()
	client := newHTTPClient()
	tick := time.NewTicker(time.Second / requestRate)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for {
		for ; sent < int(time.Since(began).Seconds()*requestRate); sent++ {
			addr := addrs[sent%len(addrs)]
			underWay.Go(func() {
				r := request{start: time.Now(), ipv6: addr.Is6()}
				// Not ctx: the last requests may end as they would anyway.
				r.host, r.err = fetch(context.WithoutCancel(ctx), client, addr, port)
				if r.err != nil {
					r.host = ""
				}
				r.end = time.Now()
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
