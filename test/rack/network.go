// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package rack

import (
	"fmt"
	"net/netip"
	"os"

	"externalbackend.dev/operator/test/sandbox"
)

// The network is one Ethernet segment: a bridge, on which the node has its
// addresses, and a cable to each external host. All addresses are from the
// ranges for documentation (RFC 5737, RFC 3849).
const (
	segment    = "rack"
	prefixLen4 = "/24"
	prefixLen6 = "/64"
)

// NodeIPs are the node's addresses on the segment: IPv4, then IPv6.
var NodeIPs = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}

// Segment is the IPv4 prefix that the node and all external hosts are in.
var Segment = netip.MustParsePrefix("192.0.2.0" + prefixLen4)

// SetUpNode configures this network namespace as the node's.
func SetUpNode() error {
	return sandbox.IP(
		"link add "+segment+" type bridge",
		"address add "+NodeIPs[0].String()+prefixLen4+" dev "+segment,
		"address add "+NodeIPs[1].String()+prefixLen6+" dev "+segment+" nodad",
		"link set "+segment+" up",
		// Nobody is at the other end, but a route is what lets a connection to
		// a ClusterIP get as far as kube-proxy's rules.
		"-4 route add default dev "+segment,
		"-6 route add default dev "+segment,
	)
}

// setUpHost makes the network namespace of a host and plugs its cable in.
func setUpHost(name string, ip4, ip6 netip.Addr) (*sandbox.Netns, error) {
	ns, err := sandbox.NewNetns()
	if err == nil {
		err = ns.Do(func() error {
			return sandbox.IP(
				"link add eth0 type veth peer name "+name+" netns 1", // process 1 is this program
				"address add "+ip4.String()+prefixLen4+" dev eth0",
				"address add "+ip6.String()+prefixLen6+" dev eth0 nodad",
				"link set eth0 up",
				// The node is the way to the client on another segment.
				"-4 route add default via "+NodeIPs[0].String(),
				"-6 route add default via "+NodeIPs[1].String(),
			)
		})
	}
	if err == nil {
		err = sandbox.IP("link set " + name + " master " + segment + " up")
	}
	if err != nil {
		return nil, fmt.Errorf("set up the network of %s: %w", name, err)
	}
	return ns, nil
}

// SetUpClient makes a network namespace on a segment of its own, from which the
// node is the only way to anywhere: a Pod's, or that of a client outside the
// cluster.
func SetUpClient() (*sandbox.Netns, error) {
	const node4, node6, client4, client6 = "198.51.100.1", "2001:db8:1::1", "198.51.100.2", "2001:db8:1::2"
	ns, err := sandbox.NewNetns()
	if err == nil {
		err = ns.Do(func() error {
			return sandbox.IP(
				"link add eth0 type veth peer name client netns 1",
				"address add "+client4+prefixLen4+" dev eth0",
				"address add "+client6+prefixLen6+" dev eth0 nodad",
				"link set eth0 up",
				"-4 route add default via "+node4,
				"-6 route add default via "+node6,
			)
		})
	}
	if err == nil {
		err = sandbox.IP("address add "+node4+prefixLen4+" dev client", "address add "+node6+prefixLen6+" dev client nodad", "link set client up")
	}
	for _, setting := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		if err == nil {
			err = os.WriteFile("/proc/sys/"+setting, []byte("1"), 0)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("set up the network of the client: %w", err)
	}
	return ns, nil
}
