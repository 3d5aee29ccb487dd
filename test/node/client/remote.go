// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"externalbackend.dev/operator/test/traffic"
)

// Remote tells an agent what to do.
type Remote struct {
	// Address of the agent: that of its Pod, with Port.
	Address netip.AddrPort
}

// Fetch sends one request to a host, a name or an address, and a port.
func (r Remote) Fetch(ctx context.Context, to string) (traffic.Answer, error) {
	text, err := r.ask(ctx, http.MethodGet, "/fetch", url.Values{"to": {to}})
	if err != nil {
		return traffic.Answer{}, err
	}
	return traffic.ParseAnswer(text)
}

// LookUp resolves a name to the addresses of a network: ip, ip4 or ip6.
func (r Remote) LookUp(ctx context.Context, network, name string) ([]netip.Addr, error) {
	text, err := r.ask(ctx, http.MethodGet, "/lookup", url.Values{"network": {network}, "name": {name}})
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for line := range strings.Lines(text) {
		addr, err := netip.ParseAddr(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// StartFlow sends requests to the addresses in turn, rate of them a second,
// until FinishFlow. There is one flow at a time.
func (r Remote) StartFlow(ctx context.Context, rate int, to ...netip.AddrPort) error {
	texts := make([]string, 0, len(to))
	for _, addr := range to {
		texts = append(texts, addr.String())
	}
	_, err := r.ask(ctx, http.MethodPost, "/flow", url.Values{"rate": {strconv.Itoa(rate)}, "to": {strings.Join(texts, ",")}})
	return err
}

// FinishFlow ends the flow, if there is one, and waits for the requests under way.
func (r Remote) FinishFlow(ctx context.Context) error {
	_, err := r.ask(ctx, http.MethodDelete, "/flow", nil)
	return err
}

// Flow tells of the requests of all flows that were started at a time or later.
func (r Remote) Flow(ctx context.Context, since time.Time) (Result, error) {
	text, err := r.ask(ctx, http.MethodGet, "/flow", url.Values{"since": {since.UTC().Format(time.RFC3339Nano)}})
	if err != nil {
		return Result{}, err
	}
	var result Result
	err = json.Unmarshal([]byte(text), &result)
	return result, err
}

func (r Remote) ask(ctx context.Context, method, path string, query url.Values) (string, error) {
	address := url.URL{Scheme: "http", Host: r.Address.String(), Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, address.String(), nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the agent says %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}
