// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/guard"
)

// carrying returns the IPv6 addresses that carry an IPv4 address.
func carrying(ipv4 netip.Addr) (list []netip.Addr) {
	b, inverted := ipv4.As4(), ipv4.As4()
	for i := range inverted {
		inverted[i] ^= 0xff
	}
	add := func(prefix string, at int, bytes ...byte) {
		addr := netip.MustParseAddr(prefix).As16()
		copy(addr[at:], bytes)
		list = append(list, netip.AddrFrom16(addr))
	}
	add("::", 12, b[:]...)
	add("::ffff:0:0:0", 12, b[:]...)
	add("64:ff9b::", 12, b[:]...)
	add("2002::", 2, b[:]...)
	add("2002::1:2:3:4:5", 2, b[:]...)
	add("2001:0:c000:201::", 12, inverted[:]...)
	add("2001:0:0:0:8000:f227:3fff:fdfe", 4, b[:]...)
	add("2001:db8::5efe:0:0", 12, b[:]...)
	add("2001:db8:1:2:200:5efe::", 12, b[:]...)
	add("64:ff9b:1:fffe::", 12, b[:]...)
	add("64:ff9b:1::", 12, b[:]...)
	add("64:ff9b:1::", 6, b[0], b[1], 0, b[2], b[3])
	add("64:ff9b:1:ab00::", 7, b[0], 0, b[1], b[2], b[3])
	add("64:ff9b:1:abcd::", 9, b[:]...)
	return list
}

// edges are the first and the last address of each denied range, their
// neighbours, and what people target.
func edges() (list []netip.Addr) {
	for _, text := range []string{
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32",
		"10.0.0.1/32", "192.0.2.10/32",
	} {
		first := netip.MustParsePrefix(text).Addr()
		last := first.As4()
		for i := range last {
			last[i] |= byte(^(uint32(0xffffffff) << (32 - netip.MustParsePrefix(text).Bits())) >> (24 - 8*i))
		}
		for _, addr := range []netip.Addr{first.Prev(), first, netip.AddrFrom4(last), netip.AddrFrom4(last).Next()} {
			if addr.IsValid() {
				list = append(append(list, addr), carrying(addr)...)
			}
		}
	}
	for _, text := range []string{
		"fe7f::1", "fe80::1", "febf::1", "fec0::1", "feff::1", "ff00::1", "ff0e::1", "ffff::1", "fd00:ec1:ffff::1", "fd00:ec2::", "fd00:ec2::254", "fd00:ec3::",
		"fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec20::1", "fd00:e::1", "fd20:ce::254", "fd20:ce::253", "fd00:c1::a9fe:a9fe", "fd00:c1::a9fe:a9ff",
		"fd00:42::42", "fd00:42::43", "fd00:a9fe:a9fe::1", "fd00:a9fe:a9fe::2", "fd00:100::100:200", "fd00:100::100:201", "::", "::1", "::2", "::1:0:0",
		"2001:db8::1", "2600:1f18::5efe", "2001:db8::100:5efe:7f00:1", "2001:db8::1:5efe:7f00:1", "2001:db8:5efe:7f00::1", "2001:1::7f00:1", "2003:7f00:1::",
		"64:ff9b::1:7f00:1", "64:ff9b:2:7f00::1", "64:ff9a::7f00:1", "::1:ffff:0:7f00:1", "::fffe:0:7f00:1", "64:ff9b:1::", "64:ff9b:1:0:0:1::",
	} {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

var _ = Describe("Addresses that no target can have", func() {
	It("are kept out by the fence in every form in which the operator keeps them out", func(ctx SpecContext) {
		m, err := guard.Compile(guard.Config{AllowClassE: true})
		Expect(err).NotTo(HaveOccurred())
		scope, trial := m.Scope(""), client.NewDryRunClient(operator)
		denied := 0
		for _, addr := range edges() {
			hidden := slice("payments", addresses(addr.String()))
			err := trial.Create(ctx, hidden)
			if scope.Addr(addr) == nil {
				Expect(err).NotTo(HaveOccurred(), "%s is allowed", addr)
				continue
			}
			Expect(err).To(HaveOccurred(), "%s is denied", addr)
			if apierrors.IsInvalid(err) {
				continue // the API server itself refuses it, before it asks any policy
			}
			denied++
			Expect(err).To(refusedBy(sliceFence, hardDenied+addr.String()+":"))
			Expect(client.NewDryRunClient(unfenced).Create(ctx, slice("payments", addresses(addr.String())))).To(Succeed(), "the control case: %s", addr)
		}
		Expect(denied).To(BeNumerically(">", 100))
	}, NodeTimeout(time.Minute))
})

var _ = Describe("Names that no target can have", func() {
	It("are kept out by the fence as the operator keeps them out, and others are not", func(ctx SpecContext) {
		m, err := guard.Compile(guard.Config{})
		Expect(err).NotTo(HaveOccurred())
		scope, trial := m.Scope(""), client.NewDryRunClient(operator)
		denied := 0
		for _, name := range []string{
			"db.example.com", "xn--mnchen-3ya.example", "a.b", "1.a", "0x7f.example", "db.1a", "db.0xyz",
			strings.Repeat("a.", 126) + "b", strings.Repeat("a", 63) + ".example", "localhosts.example", "mylocalhost.example.localhosts",
			"localhost.localdomain", "localhost.example", "www.localhost", "db.localhost.example", "payments.shop.svc", "a.svc", "svc.example", "mysvc.example.mysvc", "payments.svc.example",
			"cluster.local", "payments.shop.svc.cluster.local", "node.cluster.local", "mycluster.local", "cluster.local.example",
			"metadata.google.internal", "a.metadata.google.internal", "metadata.goog", "metadata.azure.internal", "a.metadata.azure.internal",
			"metadata.example", "mymetadata.example", "metadatas.example", "api.metadata.cloud.ibm.com", "www.api.metadata.cloud.ibm.com", "metadata.cloud.ibm.com",
			"instance-data.ec2.internal", "instance-data.example", "my-instance-data.example", "instance-data-1.example",
			"10.1.2.3", "169.254.169.254", "127.1", "0x7f.1", "0x7f.0x1", "db.0x", "db.017", "a.127",
		} {
			err := trial.Create(ctx, slice("payments", names(name)))
			if scope.Hostname(name) == nil {
				Expect(err).NotTo(HaveOccurred(), "%s is allowed", name)
				continue
			}
			denied++
			Expect(err).To(Or(refusedBy(sliceFence, deniedName+name+":"), refusedBy(sliceFence, noName+name)), name)
			Expect(client.NewDryRunClient(unfenced).Create(ctx, slice("payments", names(name)))).To(Succeed(), "the control case: %s", name)
		}
		Expect(denied).To(BeNumerically(">", 20))
	}, NodeTimeout(time.Minute))

	It("are not written with a dot at the end, or in the slices of addresses", func(ctx SpecContext) {
		Expect(operator.Create(ctx, slice("payments", names("db.example.com.")))).To(refusedBy(sliceFence, noName+"db.example.com."))
		Expect(operator.Create(ctx, slice("payments", addresses("db.example.com")))).To(Satisfy(apierrors.IsInvalid))
	})
})

var _ = Describe("The largest EndpointSlice", func() {
	// The API server refuses what costs too much, so that a dear rule would keep
	// the operator from writing at all.
	DescribeTable("passes the fence", func(ctx SpecContext, format string) {
		list := make([]string, 1000)
		for i := range list {
			list[i] = netip.MustParseAddr(fmt.Sprintf(format, i/250+1, i%250+1)).String()
		}
		s := slice("payments", addresses(list...))
		Expect(operator.Create(ctx, s)).To(Succeed())
		for i := range s.Endpoints {
			s.Endpoints[i].Conditions.Ready = new(true)
		}
		Expect(operator.Update(ctx, s)).To(Succeed())

		last := s.DeepCopy()
		last.Endpoints[999].Addresses[0] = netip.MustParseAddr(map[bool]string{true: "2002:a9fe:a9fe::", false: "168.63.129.16"}[strings.Contains(format, ":")]).String()
		Expect(operator.Update(ctx, last)).To(refusedBy(sliceFence, hardDenied))
		Expect(operator.Delete(ctx, s)).To(Succeed())
	},
		Entry("of IPv4", "198.51.%d.%d"),
		Entry("of IPv6", "2001:db8:1111:2222:3333:4444:%x:%x"),
		Entry("of NAT64", "64:ff9b::c0%02x:2%02x"),
		Entry("of ISATAP, the dearest to read", "2001:db8:1111:2222:200:5efe:c0%02x:2%02x"),
		Entry("of NAT64 for local use", "64:ff9b:1:fffe:fd:ffff:c0%02x:2%02x"),
	)
})
