// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
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
