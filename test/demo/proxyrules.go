// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"
)

// rulesPollEvery is the pause between two looks at kube-proxy's rules.
const rulesPollEvery = 20 * time.Millisecond

// proxyRules reads where kube-proxy sends connections to one Service port, from
// the packet filter itself: what is in it is what the kernel does.
type proxyRules struct {
	servicePort string // NAMESPACE/SERVICE/PROTOCOL/PORTNAME
}

// wait waits until the rules lead to all the addresses, or to none of them, and
// returns when that was seen.
func (p proxyRules) wait(ctx context.Context, addrs []netip.Addr, want bool) (time.Time, error) {
	for {
		n, err := p.count(ctx, addrs)
		if err != nil {
			return time.Time{}, err
		}
		if want && n == len(addrs) || !want && n == 0 {
			return time.Now(), nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-time.After(rulesPollEvery):
		}
	}
}

// count returns how many of the addresses the rules lead to.
func (p proxyRules) count(ctx context.Context, addrs []netip.Addr) (int, error) {
	tables := map[bool]string{}
	for ipv6, family := range map[bool]string{false: "ip", true: "ip6"} {
		out, err := exec.CommandContext(ctx, "nft", "list", "table", family, "kube-proxy").Output()
		if err != nil {
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			return 0, fmt.Errorf("read kube-proxy's rules (nft list table %s kube-proxy): %w", family, err)
		}
		tables[ipv6] = string(out)
	}
	n := 0
	for _, addr := range addrs {
		if leadsTo(tables[addr.Is6()], p.servicePort, addr) {
			n++
		}
	}
	return n, nil
}

// leadsTo says whether the Service port's chain in the listed table sends new
// connections to the address: as the target of DNAT, or, where kube-proxy has a
// chain for each endpoint, by a jump to a chain named after it.
func leadsTo(table, servicePort string, addr netip.Addr) bool {
	for chain := range strings.SplitSeq(table, "\n\tchain ") {
		header, body, _ := strings.Cut(chain, "\n")
		if !strings.HasPrefix(header, "service-") || !strings.HasSuffix(header, "-"+servicePort+" {") {
			continue
		}
		body, _, _ = strings.Cut(body, "\n\t}")
		inName := strings.ReplaceAll(addr.String(), ":", ".")
		return strings.Contains(body, ": "+addr.String()+" . ") || strings.Contains(body, "__"+inName+"/")
	}
	return false
}
