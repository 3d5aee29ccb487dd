// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"strings"
	"testing"
)

// rules is a cut-out of what nft prints of kube-proxy's table; the second
// Service's name ends like the first one's, and the third has session affinity.
const rules = `table ip kube-proxy {
	map service-ips {
		elements = { 10.96.142.64 . tcp . 80 : goto service-VQSU36QR-shop/payments/tcp/http }
	}

	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
	}

	chain service-2QRHZV4L-workshop/payments/tcp/http {
		meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 192.0.2.30 . 8080 }
	}

	chain service-VQSU36QR-shop/payments/tcp/http {
		meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 192.0.2.11 . 8080, 1 : 192.0.2.12 . 8080 }
	}

	chain service-A2ZK4BQ7-shop/sticky/tcp/http {
		numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-shop/sticky/tcp/http__192.0.2.13/8080 }
	}

	chain endpoint-7KJB2KTA-shop/sticky/tcp/http__192.0.2.14/8080 {
		meta l4proto tcp dnat to 192.0.2.14:8080
	}
}
`

const rules6 = `table ip6 kube-proxy {
	chain service-VQSU36QR-shop/payments/tcp/http {
		meta l4proto tcp dnat ip6 to numgen random mod 1 map { 0 : 2001:db8::11 . 8080 }
	}

	chain service-A2ZK4BQ7-shop/sticky/tcp/http {
		numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-shop/sticky/tcp/http__2001.db8..13/8080 }
	}
}
`

func TestNftLeadsTo(t *testing.T) {
	for _, test := range []struct {
		table, service, port, addr string
		want                       bool
	}{
		{rules, "shop/payments", "http", "192.0.2.11", true},
		{rules, "shop/payments", "http", "192.0.2.12", true},
		{rules, "shop/payments", "http", "192.0.2.1", false},
		{rules, "shop/payments", "http", "192.0.2.30", false},
		{rules, "shop/payments", "http", "192.0.2.13", false},
		{rules, "shop/payments", "https", "192.0.2.11", false},
		{rules, "workshop/payments", "http", "192.0.2.30", true},
		{rules, "shop/sticky", "http", "192.0.2.13", true},
		{rules, "shop/sticky", "http", "192.0.2.14", false},
		{rules6, "shop/payments", "http", "2001:db8::11", true},
		{rules6, "shop/payments", "http", "2001:db8::1", false},
		{rules6, "shop/sticky", "http", "2001:db8::13", true},
		{"", "shop/payments", "http", "192.0.2.11", false},
	} {
		if got := nftLeadsTo(test.table, servicePort(test.service, test.port), netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%s:%s leads to %s: %t, want %t", test.service, test.port, test.addr, got, test.want)
		}
	}
}

// saved is a cut-out of what iptables-save and ip6tables-save print.
const saved = `-A KUBE-SERVICES -d 10.96.142.64/32 -p tcp -m comment --comment "shop/payments:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A -m comment --comment "shop/payments:http -> 192.0.2.11:8080" -m statistic --mode random --probability 0.5 -j KUBE-SEP-B
-A KUBE-SVC-A -m comment --comment "shop/payments:http -> 192.0.2.12:8080" -j KUBE-SEP-C
-A KUBE-SVC-D -m comment --comment "shop/single -> 192.0.2.13:8080" -j KUBE-SEP-E
-A KUBE-SVC-F -m comment --comment "shop/payments:http -> [2001:db8::11]:8080" -j KUBE-SEP-G
-A KUBE-SEP-H -s 192.0.2.14/32 -m comment --comment "shop/payments:http -> 192.0.2.14:8080" -j KUBE-MARK-MASQ
`

func TestIPTablesLeadsTo(t *testing.T) {
	for _, test := range []struct {
		service, port, addr string
		want                bool
	}{
		{"shop/payments", "http", "192.0.2.11", true},
		{"shop/payments", "http", "192.0.2.12", true},
		{"shop/payments", "http", "192.0.2.1", false},
		{"shop/payments", "http", "192.0.2.13", false},
		{"shop/payments", "http", "192.0.2.14", false},
		{"shop/payments", "https", "192.0.2.11", false},
		{"shop/single", "", "192.0.2.13", true},
		{"shop/payments", "http", "2001:db8::11", true},
		{"shop/payments", "http", "2001:db8::1", false},
	} {
		if got := iptablesLeadsTo(saved, servicePort(test.service, test.port), netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%s:%s leads to %s: %t, want %t", test.service, test.port, test.addr, got, test.want)
		}
	}
}

func servicePort(service, port string) ServicePort {
	namespace, name, _ := strings.Cut(service, "/")
	return ServicePort{Namespace: namespace, Service: name, Protocol: "tcp", Port: port}
}
