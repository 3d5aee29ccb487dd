// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/sliceplan"
)

const sliceFence = "externalbackend-endpointslice-fence"

// owner is what every object of the operator has.
var owner = metav1.OwnerReference{
	APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend", Name: "payments", UID: "8c0dd73e-4d0c-4d5a-a1f5-2d3a1e7a9d11", Controller: new(true),
}

// slice returns an EndpointSlice as the operator writes it, with changes.
func slice(name string, edits ...func(*discoveryv1.EndpointSlice)) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, OwnerReferences: []metav1.OwnerReference{owner},
			Labels: map[string]string{discoveryv1.LabelServiceName: "payments", discoveryv1.LabelManagedBy: sliceplan.ManagedBy},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.10"}}},
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func unlabelled(s *discoveryv1.EndpointSlice) { delete(s.Labels, discoveryv1.LabelManagedBy) }

func unowned(s *discoveryv1.EndpointSlice) { s.OwnerReferences = nil }

// foreign makes a slice somebody else's.
func foreign(s *discoveryv1.EndpointSlice) {
	s.Labels[discoveryv1.LabelManagedBy] = "endpointslice-controller.k8s.io"
	s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: "payments", UID: "1", Controller: new(true)}}
	s.Endpoints[0].TargetRef = &corev1.ObjectReference{Kind: "Pod", Name: "payments-1", UID: "2"}
}

func ownedBy(owners ...metav1.OwnerReference) func(*discoveryv1.EndpointSlice) {
	return func(s *discoveryv1.EndpointSlice) { s.OwnerReferences = owners }
}

func ownedOtherwise(edit func(*metav1.OwnerReference)) func(*discoveryv1.EndpointSlice) {
	other := *owner.DeepCopy()
	edit(&other)
	return ownedBy(other)
}

// addresses gives a slice an endpoint for each address.
func addresses(list ...string) func(*discoveryv1.EndpointSlice) {
	return func(s *discoveryv1.EndpointSlice) {
		s.Endpoints = nil
		for _, address := range list {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
		}
		if len(list) > 0 && strings.Contains(list[0], ":") {
			s.AddressType = discoveryv1.AddressTypeIPv6
		}
	}
}

// names makes a slice one of names.
func names(list ...string) func(*discoveryv1.EndpointSlice) {
	return func(s *discoveryv1.EndpointSlice) {
		addresses(list...)(s)
		s.AddressType = discoveryv1.AddressTypeFQDN
	}
}

// refusedBy matches the answer of a policy.
func refusedBy(policy, message string) OmegaMatcher {
	return And(Satisfy(apierrors.IsForbidden), MatchError(And(
		ContainSubstring("ValidatingAdmissionPolicy '"+policy+"'"), ContainSubstring(message))))
}

// stored creates a slice as admin, until the spec is over.
func stored(ctx context.Context, s *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	GinkgoHelper()
	mustCreate(ctx, s)
	return s
}

const (
	notOurs     = "the operator may touch no EndpointSlice of others"
	noLabel     = "must have the label endpointslice.kubernetes.io/managed-by: controller.externalbackend.dev"
	noOwner     = "must have an ExternalBackend as its controller"
	severalEach = "must have exactly one address"
	noName      = "must be a DNS name in full, in lower case: "
	severalOf   = "must have no other endpoint"
	deniedName  = "no target outside the cluster can have the name "
	unclear     = "must be an IP address in its canonical form: "
	hardDenied  = "no target outside the cluster can have the address "
)

var _ = Describe("An EndpointSlice of the operator's", func() {
	It("is created, changed and deleted", func(ctx SpecContext) {
		s := slice("payments")
		Expect(operator.Create(ctx, s)).To(Succeed())
		addresses("192.0.2.11", "192.0.2.12")(s)
		Expect(operator.Update(ctx, s)).To(Succeed())
		Expect(operator.Delete(ctx, s)).To(Succeed())
	})

	DescribeTable("may have", func(ctx SpecContext, edit func(*discoveryv1.EndpointSlice)) {
		s := slice("payments", edit)
		Expect(operator.Create(ctx, s)).To(Succeed())
		Expect(operator.Delete(ctx, s)).To(Succeed())
	},
		Entry("no endpoints", addresses()),
		Entry("a name", names("db.example.com")),
		Entry("endpoints that are null", func(s *discoveryv1.EndpointSlice) { s.Endpoints = nil }),
		Entry("owners that are no controllers", ownedBy(owner, metav1.OwnerReference{APIVersion: "v1", Kind: "Service", Name: "payments", UID: "1"})),
		Entry("an owner of another version", ownedOtherwise(func(o *metav1.OwnerReference) { o.APIVersion = "externalbackend.dev/v2" })),
	)

	DescribeTable("is repaired when somebody has changed it", func(ctx SpecContext, edit func(*discoveryv1.EndpointSlice)) {
		s := stored(ctx, slice("payments", edit))
		repaired := slice("payments")
		repaired.ResourceVersion = s.ResourceVersion
		Expect(operator.Update(ctx, repaired)).To(Succeed())
	},
		Entry("without the label", unlabelled),
		Entry("without the owner", unowned),
		Entry("with addresses that are denied", addresses("168.63.129.16")),
	)

	It("is repaired when all that tells whose it is is what its endpoints say", func(ctx SpecContext) {
		reference := func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[0].TargetRef = &corev1.ObjectReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID}
		}
		s := stored(ctx, slice("payments", unlabelled, unowned, reference))
		repaired := slice("payments", reference)
		repaired.ResourceVersion = s.ResourceVersion
		Expect(operator.Update(ctx, repaired)).To(Succeed())
	})

	DescribeTable("is written while it stays on hold as somebody left it", func(ctx SpecContext, edit func(*discoveryv1.EndpointSlice)) {
		s := stored(ctx, slice("payments", edit))
		s.Endpoints[0].Conditions.Ready = new(false)
		Expect(operator.Update(ctx, s)).To(Succeed())
	},
		Entry("without the label", unlabelled),
		Entry("with another label", func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelManagedBy] = "me" }),
		Entry("without the owner", unowned),
		Entry("with an address that the operator could not have put there", addresses("168.63.129.16")),
	)

	DescribeTable("is deleted when somebody has removed", func(ctx SpecContext, edit func(*discoveryv1.EndpointSlice)) {
		Expect(operator.Delete(ctx, stored(ctx, slice("payments", edit)))).To(Succeed())
	},
		Entry("the label", unlabelled),
		Entry("the owner", unowned),
	)
})

var _ = Describe("The fence of EndpointSlices", func() {
	DescribeTable("keeps the operator from creating one", func(ctx SpecContext, edit func(*discoveryv1.EndpointSlice), message string) {
		Expect(operator.Create(ctx, slice("payments", edit))).To(refusedBy(sliceFence, message))
		s := slice("payments", edit)
		Expect(unfenced.Create(ctx, s)).To(Succeed(), "the control case")
		Expect(unfenced.Delete(ctx, s)).To(Succeed())
	},
		Entry("without the label", unlabelled, noLabel),
		Entry("with the label of somebody else", func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelManagedBy] = "x" }, noLabel),
		Entry("without labels", func(s *discoveryv1.EndpointSlice) { s.Labels = nil }, noLabel),
		Entry("without an owner", unowned, noOwner),
		Entry("with an owner that is no controller", ownedOtherwise(func(o *metav1.OwnerReference) { o.Controller = nil }), noOwner),
		Entry("with an owner of another kind", ownedOtherwise(func(o *metav1.OwnerReference) { o.Kind = "Service" }), noOwner),
		Entry("with an owner of another group", ownedOtherwise(func(o *metav1.OwnerReference) { o.APIVersion = "example.com/v1" }), noOwner),
		Entry("with an owner of a similar group", ownedOtherwise(func(o *metav1.OwnerReference) { o.APIVersion = "externalbackend.dev.example.com/v1" }), noOwner),
		Entry("with two addresses of an endpoint", func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[0].Addresses = []string{"192.0.2.10", "168.63.129.16"}
		}, severalEach),
		Entry("with the name of a metadata service", names("metadata.google.internal"), deniedName+"metadata.google.internal"),
		Entry("with two names", names("db.example.com", "www.example.com"), severalOf),
		Entry("with two names of an endpoint", func(s *discoveryv1.EndpointSlice) {
			names("db.example.com")(s)
			s.Endpoints[0].Addresses = append(s.Endpoints[0].Addresses, "metadata.google.internal")
		}, severalEach),
		Entry("with an address in the place of a name", names("169.254.169.254"), noName+"169.254.169.254"),
		Entry("with a good address in the place of a name", names("192.0.2.10"), noName+"192.0.2.10"),
		Entry("with a denied address behind others", addresses("192.0.2.10", "192.0.2.11", "100.100.100.200"), hardDenied+"100.100.100.200"),
	)

	DescribeTable("keeps the operator from changing one of its own into one", func(ctx SpecContext, edit func(*discoveryv1.EndpointSlice), message string) {
		s := stored(ctx, slice("payments"))
		edit(s)
		Expect(operator.Update(ctx, s.DeepCopy())).To(refusedBy(sliceFence, message))
		Expect(unfenced.Update(ctx, s.DeepCopy())).To(Succeed(), "the control case")
	},
		Entry("without the label", unlabelled, noLabel),
		Entry("without an owner", unowned, noOwner),
		Entry("with a denied address", addresses("168.63.129.16"), hardDenied),
	)

	It("keeps the operator from changing a name into one that is denied", func(ctx SpecContext) {
		s := stored(ctx, slice("payments", names("db.example.com")))
		s.Endpoints[0].Addresses[0] = "payments.shop.svc"
		Expect(operator.Update(ctx, s.DeepCopy())).To(refusedBy(sliceFence, deniedName+"payments.shop.svc"))
		Expect(unfenced.Update(ctx, s)).To(Succeed(), "the control case")
	})

	// The API server refuses most of them itself, but not each version each.
	DescribeTable("leaves no other spelling of an address to", func(ctx SpecContext, kind discoveryv1.AddressType, address string) {
		s := slice("payments", addresses(address))
		s.AddressType = kind
		Expect(operator.Create(ctx, s)).To(Or(Satisfy(apierrors.IsInvalid), refusedBy(sliceFence, unclear+address)))
	},
		Entry(nil, discoveryv1.AddressTypeIPv4, "0127.0.0.1"),
		Entry(nil, discoveryv1.AddressTypeIPv4, "168.63.129.016"),
		Entry(nil, discoveryv1.AddressTypeIPv4, "::ffff:168.63.129.16"),
		Entry(nil, discoveryv1.AddressTypeIPv4, "::ffff:a83f:8110"),
		Entry(nil, discoveryv1.AddressTypeIPv4, "2130706433"),
		Entry(nil, discoveryv1.AddressTypeIPv6, "::ffff:168.63.129.16"),
		Entry(nil, discoveryv1.AddressTypeIPv6, "FD00:EC2::254"),
		Entry(nil, discoveryv1.AddressTypeIPv6, "fd00:0ec2::254"),
		Entry(nil, discoveryv1.AddressTypeIPv6, "fd00:ec2::254%eth0"),
		Entry(nil, discoveryv1.AddressTypeIPv6, "2002:a83f:8110:0:0:0:0:1"),
		Entry(nil, discoveryv1.AddressTypeIPv6, "64:ff9b::168.63.129.16"),
	)

	It("keeps the operator from taking one of others over", func(ctx SpecContext) {
		s := stored(ctx, slice("payments", foreign))
		taken := slice("payments")
		taken.ResourceVersion = s.ResourceVersion
		Expect(operator.Update(ctx, taken.DeepCopy())).To(refusedBy(sliceFence, notOurs))
		Expect(unfenced.Update(ctx, taken)).To(Succeed(), "the control case")
	})

	It("keeps the operator from deleting one of others", func(ctx SpecContext) {
		s := stored(ctx, slice("payments", foreign))
		Expect(operator.Delete(ctx, s)).To(refusedBy(sliceFence, notOurs))
		Expect(unfenced.Delete(ctx, s)).To(Succeed(), "the control case")
	})

	It("keeps the operator from one of another controller, whatever its endpoints say", func(ctx SpecContext) {
		s := stored(ctx, slice("payments", foreign, func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[0].TargetRef = &corev1.ObjectReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID}
		}))
		Expect(operator.Delete(ctx, s)).To(refusedBy(sliceFence, notOurs))
		Expect(unfenced.Delete(ctx, s)).To(Succeed(), "the control case")
	})

	It("is what keeps it", func(ctx SpecContext) {
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: sliceFence}}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(binding), binding)).To(Succeed())
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		try := func(ctx context.Context) error {
			return client.NewDryRunClient(operator).Create(ctx, slice("payments", foreign))
		}
		DeferCleanup(func(ctx SpecContext) {
			binding.ResourceVersion = ""
			Expect(admin.Create(ctx, binding)).To(Succeed())
			Eventually(try).WithContext(ctx).Should(refusedBy(sliceFence, noLabel))
		}, NodeTimeout(time.Minute))
		Eventually(try).WithContext(ctx).Should(Succeed())
	}, Serial)
})

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
