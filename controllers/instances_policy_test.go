// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

// grantingEC2 grants instances of an identity that have the tags.
func grantingEC2(f *fleet, tags v1alpha1.InstanceTags) func(*v1alpha1.ExternalBackendPolicySpec) {
	return func(spec *v1alpha1.ExternalBackendPolicySpec) {
		allowing("192.0.2.0/24")(spec)
		spec.Allow.EC2 = &v1alpha1.PolicyEC2{Identities: []v1alpha1.IdentityName{v1alpha1.IdentityName(f.identity.Name)}, RequiredTags: tags}
	}
}

// toldOf is all that a namespace can read of an ExternalBackend, without the times,
// and with another word for each id.
func (s *scene) toldOf(ctx context.Context, name, id string) string {
	GinkgoHelper()
	status := s.statusOf(ctx, name)
	for i := range status.Conditions {
		status.Conditions[i].LastTransitionTime = metav1.Time{}
	}
	text, err := json.Marshal([]any{status, s.events(ctx, name)})
	Expect(err).NotTo(HaveOccurred())
	return strings.ReplaceAll(string(text), id, "ID")
}

var _ = Describe("Policies about instances", func() {
	const owner = "owner"
	var s *scene
	var f *fleet
	ticks := new(advanced)
	BeforeEach(func(ctx SpecContext) {
		ticks.by.Store(0)
		ownOperator(operatorOptions{clock: ticks})
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
	})
	ownedBy := func(namespace string) func(*fake.Instance) {
		return func(i *fake.Instance) { i.Tags[owner] = namespace }
	}
	// enforce makes a policy, and waits until the operator knows it.
	enforce := func(ctx context.Context, tags v1alpha1.InstanceTags) *v1alpha1.ExternalBackendPolicy {
		GinkgoHelper()
		policy := s.policy(ctx, "ec2", grantingEC2(f, tags))
		s.enforced(ctx)
		return policy
	}
	tags := v1alpha1.InstanceTags{owner: "$(namespace)"}

	It("let those alone be served that have the tags, and nothing tells of the others", func(ctx SpecContext) {
		enforce(ctx, tags)
		f.run(s, "192.0.2.10", ownedBy(s.namespace))
		hidden := []string{f.run(s, "192.0.2.11"), f.run(s, "192.0.2.12", ownedBy("search")), f.run(s, "192.0.2.13", ownedBy(""))}
		f.Stop(hidden[0])
		f.Update(hidden[1], func(i *fake.Instance) { i.InstanceStatus = "impaired" })
		f.served(ctx, s, []string{"192.0.2.10"})
		f.listed(ctx, 2)
		for _, id := range hidden {
			Expect(s.toldOf(ctx, "payments", "")).NotTo(ContainSubstring(id))
		}
		Expect(s.sourceOf(ctx, "payments", "fleet")).To(Equal(v1alpha1.SourceStatus{Target: "fleet", Addresses: 1}))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionInstancesImpaired)).To(withdrawn)
	})

	DescribeTable("make an instance look as if there were none of that id:", func(ctx SpecContext, edits ...func(*fake.Instance)) {
		enforce(ctx, tags)
		hidden, none := f.run(s, "192.0.2.10", edits...), "i-0000000000000dead"
		ebs := []*v1alpha1.ExternalBackend{
			s.backend(ctx, "hidden", of("payments"), f.selected("fleet", byID(hidden))),
			s.backend(ctx, "unknown", of("payments"), f.selected("fleet", byID(none))),
		}
		same := func(reason string) {
			GinkgoHelper()
			for _, eb := range ebs {
				Eventually(s.condition).WithContext(ctx).WithArguments(eb.Name, v1alpha1.ConditionTargetsResolved).Should(HaveField("Reason", reason))
			}
			f.listed(ctx, 2)
			Expect(s.toldOf(ctx, "hidden", hidden)).To(Equal(s.toldOf(ctx, "unknown", none)))
		}
		same(v1alpha1.ReasonInstancesPending)
		ticks.advance(6 * time.Minute)
		for _, eb := range ebs {
			s.nudge(ctx, eb)
		}
		same(v1alpha1.ReasonInstanceNotFound)
	},
		Entry("one that runs"),
		Entry("one that has no address", func(i *fake.Instance) { i.PrivateIP = ""; i.Interfaces = []fake.Interface{{DeviceIndex: 1}} }),
	)

	It("make a Node look as if there were none, too", func(ctx SpecContext) {
		enforce(ctx, tags)
		hidden, none := f.run(s, "192.0.2.10"), "i-0000000000000dead"
		nodeOn(ctx, s.namespace, hidden, nil)
		s.backend(ctx, "hidden", of("payments"), f.selected("fleet", byID(hidden)))
		s.backend(ctx, "unknown", of("payments"), f.selected("fleet", byID(none)))
		for _, name := range []string{"hidden", "unknown"} {
			s.expectCondition(ctx, name, v1alpha1.ConditionTargetsResolved, says(metav1.ConditionUnknown, v1alpha1.ReasonInstancesPending))
		}
		f.listed(ctx, 2)
		Expect(s.toldOf(ctx, "hidden", hidden)).To(Equal(s.toldOf(ctx, "unknown", none)))
	})

	It("take an instance out at once that loses the tag, or that they ask for another one of", func(ctx SpecContext) {
		policy := enforce(ctx, tags)
		id := f.run(s, "192.0.2.10", ownedBy(s.namespace))
		f.run(s, "192.0.2.11", ownedBy(s.namespace), func(i *fake.Instance) { i.Tags["public"] = "yes" })
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		history := s.watch(ctx)
		f.Untag(id, owner)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		f.Tag(id, owner, s.namespace)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		edit(ctx, policy, func(policy *v1alpha1.ExternalBackendPolicy) { policy.Spec.Allow.EC2.RequiredTags["public"] = "yes" })
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		Expect(history.all()).NotTo(ContainElement(HaveField("Endpoints", HaveKeyWithValue("192.0.2.10", leaving))), "nothing drains")
	})

	It("take an instance out at once that lacks a tag which they ask for by now, though AWS is down", func(ctx SpecContext) {
		policy := enforce(ctx, nil)
		f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11", ownedBy(s.namespace))
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		down(fake.Deny())
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSAccessDenied)
		edit(ctx, policy, func(policy *v1alpha1.ExternalBackendPolicy) { policy.Spec.Allow.EC2.RequiredTags = tags })
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("take an instance out at once that drains and loses the tag", func(ctx SpecContext) {
		enforce(ctx, tags)
		id := f.run(s, "192.0.2.10", ownedBy(s.namespace))
		f.run(s, "192.0.2.11", ownedBy(s.namespace))
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		f.Untag(id, "app")
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in})
		f.Untag(id, owner)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	DescribeTable("have to grant", func(ctx SpecContext, spoil func(*v1alpha1.PolicyEC2)) {
		policy := enforce(ctx, nil)
		f.run(s, "192.0.2.10")
		f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		edit(ctx, policy, func(policy *v1alpha1.ExternalBackendPolicy) { spoil(policy.Spec.Allow.EC2) })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, f.identity.Name, region))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	},
		Entry("the identity", func(ec2 *v1alpha1.PolicyEC2) { ec2.Identities = []v1alpha1.IdentityName{"another"} }),
		Entry("the region", func(ec2 *v1alpha1.PolicyEC2) { ec2.Regions = []v1alpha1.Region{"eu-central-1"} }),
	)

	It("that grant no instances let none be served", func(ctx SpecContext) {
		s.policy(ctx, "networks", allowing("192.0.2.0/24"))
		f.run(s, "192.0.2.10")
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, f.identity.Name))
		Expect(s.slices(ctx)).To(BeEmpty())
	})

	It("have the addresses vetted besides, as all others are", func(ctx SpecContext) {
		f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		f.Run(fake.Instance{PrivateIP: "169.254.169.254", Tags: map[string]string{"app": "payments"}})
		s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "169.254.169.254"))
		s.policy(ctx, "networks", denying(v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.11/32"}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})
})
