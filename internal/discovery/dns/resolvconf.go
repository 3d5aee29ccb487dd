// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// config says whom to ask and how, as resolv.conf(5) does.
type config struct {
	servers  []netip.AddrPort
	timeout  time.Duration // of one try with one server
	attempts int           // rounds over the servers
	rotate   bool          // begin with another server each time
	useTCP   bool          // at once
}

const (
	dnsPort     = 53
	maxServers  = 3 // of a resolv.conf, as in the C library
	maxTimeout  = 30 * time.Second
	maxAttempts = 5
)

func defaultConfig(servers []netip.AddrPort) config {
	return config{servers: servers, timeout: 5 * time.Second, attempts: 2}
}

// parseResolvConf reads what resolv.conf(5) says about servers. What it does not
// understand it skips, as the C library does.
func parseResolvConf(text string) config {
	c := defaultConfig(nil)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			addr, err := netip.ParseAddr(fields[1])
			if err == nil && len(c.servers) < maxServers {
				c.servers = append(c.servers, netip.AddrPortFrom(addr.Unmap(), dnsPort))
			}
		case "options":
			for _, option := range fields[1:] {
				c.set(option)
			}
		}
	}
	return c
}

func (c *config) set(option string) {
	name, text, _ := strings.Cut(option, ":")
	number, err := strconv.Atoi(text)
	valid := err == nil && number > 0
	switch {
	case name == "timeout" && valid:
		c.timeout = time.Duration(min(number, int(maxTimeout/time.Second))) * time.Second
	case name == "attempts" && valid:
		c.attempts = min(number, maxAttempts)
	case name == "rotate":
		c.rotate = true
	case name == "use-vc":
		c.useTCP = true
	}
}

// ParseServers reads addresses of DNS servers, each an IP address with or without
// a port (192.0.2.53, 192.0.2.53:5353, 2001:db8::53, [2001:db8::53]:5353).
// Duplicates are dropped. The error names the one that is none.
func ParseServers(texts []string) ([]netip.AddrPort, error) {
	var servers []netip.AddrPort
	for _, text := range texts {
		server, err := netip.ParseAddrPort(text)
		if err != nil {
			var addr netip.Addr
			addr, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
			server = netip.AddrPortFrom(addr, dnsPort)
		}
		if err != nil || server.Port() == 0 || server.Addr().IsUnspecified() {
			return nil, fmt.Errorf("%q is not the address of a DNS server: write an IP address, with a port if it is not %d (192.0.2.53, [2001:db8::53]:5353)", text, dnsPort)
		}
		server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
		if !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	return servers, nil
}
