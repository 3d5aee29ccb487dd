// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

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

// ServicePort names a port of a Service.
type ServicePort struct {
	Namespace, Service string
	Protocol           string // "tcp" or "udp"
	Port               string // name, "" if it has none
}

// ProxyRules reads where kube-proxy sends connections to one Service port, from
// the packet filter itself: what is in it is what the kernel does.
type ProxyRules struct {
	Mode        ProxyMode
	ServicePort ServicePort
}

// Wait waits until the rules lead to all the addresses, or to none of them, and
// returns when that was seen.
func (p ProxyRules) Wait(ctx context.Context, addrs []netip.Addr, want bool) (time.Time, error) {
	for {
		led, err := p.LeadTo(ctx, addrs)
		if err != nil {
			return time.Time{}, err
		}
		if want && len(led) == len(addrs) || !want && len(led) == 0 {
			return time.Now(), nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-time.After(rulesPollEvery):
		}
	}
}

// LeadTo returns those of the addresses that the rules lead to.
func (p ProxyRules) LeadTo(ctx context.Context, addrs []netip.Addr) ([]netip.Addr, error) {
	commands, leadsTo := map[bool][]string{
		false: {"nft", "list", "table", "ip", "kube-proxy"}, true: {"nft", "list", "table", "ip6", "kube-proxy"},
	}, nftLeadsTo
	if p.Mode == IPTables {
		commands, leadsTo = map[bool][]string{
			false: {"iptables-save", "-t", "nat"}, true: {"ip6tables-save", "-t", "nat"},
		}, iptablesLeadsTo
	}
	rules := map[bool]string{}
	for ipv6, command := range commands {
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("read kube-proxy's rules (%s): %w", strings.Join(command, " "), err)
		}
		rules[ipv6] = string(out)
	}
	var led []netip.Addr
	for _, addr := range addrs {
		if leadsTo(rules[addr.Is6()], p.ServicePort, addr) {
			led = append(led, addr)
		}
	}
	return led, nil
}

// nftLeadsTo says whether the Service port's chain in the listed table sends new
// connections to the address: as the target of DNAT, or, where kube-proxy has a
// chain for each endpoint, by a jump to a chain named after it.
func nftLeadsTo(table string, port ServicePort, addr netip.Addr) bool {
	name := strings.Join([]string{port.Namespace, port.Service, port.Protocol, port.Port}, "/")
	for chain := range strings.SplitSeq(table, "\n\tchain ") {
		header, body, _ := strings.Cut(chain, "\n")
		if !strings.HasPrefix(header, "service-") || !strings.HasSuffix(header, "-"+name+" {") {
			continue
		}
		body, _, _ = strings.Cut(body, "\n\t}")
		inName := strings.ReplaceAll(addr.String(), ":", ".")
		return strings.Contains(body, ": "+addr.String()+" . ") || strings.Contains(body, "__"+inName+"/")
	}
	return false
}

// iptablesLeadsTo says whether the Service port's chain in the saved table sends
// new connections to the address: kube-proxy notes that in a comment.
func iptablesLeadsTo(table string, port ServicePort, addr netip.Addr) bool {
	name := port.Namespace + "/" + port.Service
	if port.Port != "" {
		name += ":" + port.Port
	}
	host := strings.TrimSuffix(netip.AddrPortFrom(addr, 0).String(), "0") // with brackets and a colon
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "-A KUBE-SVC-") && strings.Contains(line, `--comment "`+name+" -> "+host) {
			return true
		}
	}
	return false
}
