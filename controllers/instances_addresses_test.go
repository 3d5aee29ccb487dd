// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

var _ = Describe("The addresses of instances", func() {
	const subnet = "subnet-00000000000000002"
	var s *scene
	var f *fleet
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
		for _, address := range []string{"192.0.2.20", "192.0.2.21", "192.0.2.22", "198.51.100.10", "2001:db8::10", "2001:db8::22"} {
			s.host(address)
		}
	})
	// rich is an instance with everything.
	rich := func(i *fake.Instance) {
		i.PrivateIP = ""
		i.Interfaces = []fake.Interface{
			{Addresses: []fake.Address{{Private: "192.0.2.10", Public: "198.51.100.10"}, {Private: "192.0.2.20"}}, IPv6: []string{"2001:db8::10"}},
			{DeviceIndex: 1, SubnetID: subnet, Addresses: []fake.Address{{Private: "192.0.2.21"}}},
			{DeviceIndex: 2, Tags: map[string]string{"serves": "payments"}, Addresses: []fake.Address{{Private: "192.0.2.22"}}, IPv6: []string{"2001:db8::22"}},
		}
	}
	only := func(addresses v1alpha1.InstanceAddresses) func(*v1alpha1.EC2Target) {
		return func(t *v1alpha1.EC2Target) { t.Addresses = addresses }
	}
	on := func(nic v1alpha1.NetworkInterfaceSelector) func(*v1alpha1.EC2Target) {
		return func(t *v1alpha1.EC2Target) { t.NetworkInterface = nic }
	}
	dual := only(v1alpha1.InstanceAddresses{IPv6: v1alpha1.InstanceIPv6Primary})
	byTag := on(v1alpha1.NetworkInterfaceSelector{Tag: &v1alpha1.InterfaceTag{Key: "serves", Value: new("payments")}})

	DescribeTable("are those that the entry asks for:", func(ctx SpecContext, want []string, edits ...func(*v1alpha1.EC2Target)) {
		id := f.run(s, "192.0.2.10", rich)
		s.backend(ctx, "payments", f.selected("fleet", edits...))
		all, names := endpoints{}, map[string]string{}
		for _, address := range want {
			all[address], names[address] = in, id
		}
		s.expect(ctx, "payments", all)
		Expect(s.hostnames(ctx, "payments")).To(Equal(names))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	},
		Entry("the private one by default", []string{"192.0.2.10"}),
		Entry("the public one", []string{"198.51.100.10"}, only(v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4Public})),
		Entry("both families", []string{"192.0.2.10", "2001:db8::10"}, dual),
		Entry("IPv6 alone", []string{"2001:db8::10"}, only(v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4None, IPv6: v1alpha1.InstanceIPv6Primary})),
		Entry("secondary ones as well", []string{"192.0.2.10", "192.0.2.20"}, only(v1alpha1.InstanceAddresses{Secondary: v1alpha1.SecondaryInclude})),
		Entry("of another interface", []string{"192.0.2.21"}, on(v1alpha1.NetworkInterfaceSelector{DeviceIndex: new(int32(1))})),
		Entry("of the interface in a subnet", []string{"192.0.2.21"}, on(v1alpha1.NetworkInterfaceSelector{SubnetID: new(subnet)})),
		Entry("of the interface with a tag", []string{"192.0.2.22"}, byTag),
		Entry("of both families of the interface with a tag", []string{"192.0.2.22", "2001:db8::22"}, byTag, dual),
	)

	DescribeTable("that are missing are told, with the instance,", func(ctx SpecContext, choose func(*v1alpha1.EC2Target), part string) {
		id := f.run(s, "192.0.2.11")
		s.backend(ctx, "payments", f.selected("fleet", choose))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonAddressKindMissing, id, part))
		f.run(s, "192.0.2.10", rich)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonAddressKindMissing, id, part))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	},
		Entry("of the kind", only(v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4Public}), "public IPv4 address"),
		Entry("of the interface", on(v1alpha1.NetworkInterfaceSelector{SubnetID: new(subnet)}), "in "+subnet),
		Entry("of the interface with a tag", byTag, `with the tag "serves"`),
	)

	It("follow the tag of an interface, and stay while that cannot be asked for", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10", rich)
		s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet", byTag))
		s.expect(ctx, "payments", endpoints{"192.0.2.22": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		history := s.watch(ctx)
		denied := f.fault(fake.Fault{Operation: "DescribeNetworkInterfaces", Effect: fake.Unavailable()})
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSUnavailable, "ec2:DescribeNetworkInterfaces")
		Expect(history.all()).To(BeEmpty())
		denied.Remove()
		s.expectFresh(ctx, "payments")
		f.Update(id, func(i *fake.Instance) { i.Interfaces[1].Tags, i.Interfaces[2].Tags = i.Interfaces[2].Tags, nil })
		s.expect(ctx, "payments", endpoints{"192.0.2.21": in, "192.0.2.22": leaving})
	})

	It("change: the one before goes at once, since somebody else may have it, and the next one is served", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		history := s.watch(ctx)
		f.Update(id, func(i *fake.Instance) { i.Interfaces[0].Addresses[0].Private = "192.0.2.20" })
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		Expect(history.all()).NotTo(ContainElement(HaveField("Endpoints", HaveKeyWithValue("192.0.2.10", leaving))), "it does not drain")
	})

	It("that an edit wants no more drain as long as the instance has them", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10", rich)
		eb := f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].EC2.Addresses.IPv4 = v1alpha1.InstanceIPv4Public
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "198.51.100.10": in})
		f.Update(id, func(i *fake.Instance) { i.Interfaces[0].Addresses[0].Private = "192.0.2.20" })
		s.expect(ctx, "payments", endpoints{"198.51.100.10": in})
	})
})
