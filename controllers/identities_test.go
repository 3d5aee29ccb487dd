// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

// own has an identity use the operator's own credentials.
func own(identity *v1alpha1.AWSIdentity) { identity.Spec.Role = nil }

// statusOfIdentity returns the status of an AWSIdentity.
func statusOfIdentity(ctx context.Context, name string) v1alpha1.AWSIdentityStatus {
	GinkgoHelper()
	var identity v1alpha1.AWSIdentity
	Expect(admin.Get(ctx, client.ObjectKey{Name: name}, &identity)).To(Succeed())
	return identity.Status
}

// says waits until a condition of the identity matches.
func (f *fleet) says(ctx context.Context, kind string, match types.GomegaMatcher) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) metav1.Condition {
		if c := meta.FindStatusCondition(statusOfIdentity(ctx, f.identity.Name).Conditions, kind); c != nil {
			return *c
		}
		return metav1.Condition{}
	}).WithContext(ctx).WithTimeout(2*patience).Should(match, "condition %s of %s", kind, f.identity.Name)
}

func (f *fleet) ready(ctx context.Context) {
	GinkgoHelper()
	f.says(ctx, v1alpha1.ConditionReady, yes(v1alpha1.ReasonAuthenticated))
}

// told are the events of a reason about the identity.
func (f *fleet) told(ctx context.Context, reason string) (notes []string) {
	GinkgoHelper()
	var list eventsv1.EventList
	Expect(admin.List(ctx, &list)).To(Succeed())
	for _, e := range list.Items {
		if e.Regarding.Kind == "AWSIdentity" && e.Regarding.UID == f.identity.UID && e.Reason == reason {
			notes = append(notes, e.Note)
		}
	}
	return notes
}

// assumed are the requests for a session of the role.
func (f *fleet) assumed() []fake.Request {
	return slices.DeleteFunc(aws.Requests("AssumeRole"), func(r fake.Request) bool { return r.Params.Get("RoleArn") != f.role })
}

var _ = Describe("AWSIdentities", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	It("say whom the operator's own credentials belong to", func(ctx SpecContext) {
		f := s.fleet(ctx, own)
		f.ready(ctx)
		status := statusOfIdentity(ctx, f.identity.Name)
		Expect(status.AccountID).To(Equal(ownAccount))
		Expect(status.ARN).To(Equal("arn:aws:iam::" + ownAccount + ":user/operator"))
		Expect(status.ExternalID).To(BeEmpty())
		Expect(status.Regions).To(BeEmpty(), "nobody wants any of them")
		Expect(status.ObservedGeneration).To(Equal(f.identity.Generation))
	})

	It("assume a role that asks for their external id, which stays the same", func(ctx SpecContext) {
		f := s.fleet(ctx, func(identity *v1alpha1.AWSIdentity) {
			identity.Spec.Role.SessionTags = v1alpha1.SessionTags{"team": "payments"}
		})
		f.ready(ctx)
		id := statusOfIdentity(ctx, f.identity.Name).ExternalID
		Expect(id).NotTo(BeEmpty())
		Expect(f.assumed()).To(HaveEach(HaveField("Params", And(
			HaveKeyWithValue("ExternalId", []string{id}),
			HaveKeyWithValue("Tags.member.1.Key", []string{"team"}),
			HaveKeyWithValue("Tags.member.1.Value", []string{"payments"}),
		))))
		Expect(statusOfIdentity(ctx, f.identity.Name).ARN).To(HavePrefix("arn:aws:sts::" + f.account.ID() + ":assumed-role/externalbackend/"))

		By("being made anew, they have the same one")
		Expect(admin.Delete(ctx, f.identity)).To(Succeed())
		f.account.Role(fake.Role{Name: "externalbackend", ExternalID: id})
		f.identity.ObjectMeta = metav1.ObjectMeta{Name: f.identity.Name}
		Expect(admin.Create(ctx, f.identity)).To(Succeed())
		f.ready(ctx)
		Expect(statusOfIdentity(ctx, f.identity.Name).ExternalID).To(Equal(id))
	})

	It("say that the role does not let them, and that it does", func(ctx SpecContext) {
		f, gate := s.fleetWithoutIdentity(), fake.NewGate()
		DeferCleanup(gate.Open)
		f.fault(fake.Fault{Operation: "GetCallerIdentity", Effect: gate.Effect()})
		f.restore(ctx)
		f.says(ctx, v1alpha1.ConditionReady, says(metav1.ConditionUnknown, v1alpha1.ReasonAuthenticationPending))
		gate.Open()
		f.ready(ctx)
		Eventually(f.told).WithContext(ctx).WithArguments(v1alpha1.ReasonAuthenticated).Should(HaveLen(1))
		f.account.Role(fake.Role{Name: "externalbackend", ExternalID: "of somebody else"})
		edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) {
			identity.Spec.Role.SessionTags = v1alpha1.SessionTags{"team": "payments"} // which needs another session
		})
		f.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAWSCredentialsInvalid, "sts:AssumeRole"))
		Eventually(f.told).WithContext(ctx).WithArguments(v1alpha1.ReasonAWSCredentialsInvalid).Should(HaveLen(1))
		f.account.Role(fake.Role{Name: "externalbackend", ExternalID: statusOfIdentity(ctx, f.identity.Name).ExternalID})
		f.ready(ctx)
		Eventually(f.told).WithContext(ctx).WithArguments(v1alpha1.ReasonAuthenticated).Should(HaveLen(2))
	})

	It("do not share sessions, though they have the role in common", func(ctx SpecContext) {
		first := s.fleet(ctx)
		second := s.fleet(ctx, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Role.ARN = first.role })
		first.ready(ctx)
		second.ready(ctx)
		asked := map[string]int{}
		for _, r := range first.assumed() {
			asked[r.Params.Get("ExternalId")]++
		}
		Expect(asked).To(And(HaveLen(2),
			HaveKey(statusOfIdentity(ctx, first.identity.Name).ExternalID),
			HaveKey(statusOfIdentity(ctx, second.identity.Name).ExternalID)))
	})

	It("that are denied listing say so with each region, and spare others", func(ctx SpecContext) {
		good, bad := s.fleet(ctx), s.fleet(ctx)
		bad.fault(fake.Fault{Operation: "DescribeInstances", Effect: fake.Deny()})
		for address, f := range map[string]*fleet{"192.0.2.10": good, "192.0.2.11": bad} {
			f.run(s, address)
			s.service(ctx, f.identity.Name)
			s.backend(ctx, f.identity.Name, f.selected("fleet"))
		}
		bad.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonAWSAccessDenied, region, "ec2:DescribeInstances"))
		Expect(statusOfIdentity(ctx, bad.identity.Name).Regions).To(ConsistOf(And(
			HaveField("Region", region), HaveField("Problem", ContainSubstring("ec2:DescribeInstances")), HaveField("StaleSince", Not(BeNil())))))
		Eventually(bad.told).WithContext(ctx).WithArguments(v1alpha1.ReasonAWSAccessDenied).Should(HaveLen(1))
		s.expectCondition(ctx, bad.identity.Name, v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonAWSAccessDenied))
		good.ready(ctx)
		s.expectCondition(ctx, good.identity.Name, v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(statusOfIdentity).WithContext(ctx).WithArguments(good.identity.Name).Should(
			HaveField("Regions", ConsistOf(v1alpha1.AWSRegionStatus{Region: region})), "which is told at most every 5 s")
	})

	It("say which optional calls are denied, and go on without", func(ctx SpecContext) {
		f := s.fleet(ctx)
		f.fault(fake.Fault{Operation: "DescribeInstanceStatus", Effect: fake.Deny()})
		f.run(s, "192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", f.selected("fleet"))
		f.says(ctx, v1alpha1.ConditionPermissionsMissing, yes(v1alpha1.ReasonPermissionsMissing, "ec2:DescribeInstanceStatus"))
		f.ready(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("that cannot be acted on say what to correct, and are not asked with", func(ctx SpecContext) {
		bad := s.fleet(ctx, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Regions = []v1alpha1.Region{"cn-north-1"} })
		bad.says(ctx, v1alpha1.ConditionReady, no(v1alpha1.ReasonInvalidIdentity, "spec.role.arn"))
		Eventually(bad.told).WithContext(ctx).WithArguments(v1alpha1.ReasonInvalidIdentity).Should(HaveLen(1))
		s.fleet(ctx).ready(ctx)
		Expect(bad.assumed()).To(BeEmpty())
		edit(ctx, bad.identity, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Regions = []v1alpha1.Region{region} })
		bad.ready(ctx)
	})

	It("that are deleted leave what is published, and are asked with no more", func(ctx SpecContext) {
		f := s.fleet(ctx)
		f.run(s, "192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(admin.Delete(ctx, f.identity)).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonIdentityNotFound))
		other := s.fleet(ctx)
		other.run(s, "192.0.2.11")
		s.service(ctx, "search")
		s.backend(ctx, "search", other.selected("fleet"))
		other.listed(ctx, 1)
		calls := func() (n int) {
			for _, r := range aws.Requests() {
				if r.Account == f.account.ID() {
					n++
				}
			}
			return n
		}
		before := calls()
		other.listed(ctx, 3)
		Expect(calls()).To(Equal(before))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("have a status that is patched when something changes, and never else", func(ctx SpecContext) {
		f := s.fleet(ctx)
		f.run(s, "192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Eventually(func() []v1alpha1.AWSRegionStatus { return statusOfIdentity(ctx, f.identity.Name).Regions }).
			WithTimeout(2 * patience).Should(ConsistOf(v1alpha1.AWSRegionStatus{Region: region}))
		mark := audit.mark()
		f.listed(ctx, 3)
		Expect(identityWrites(mark, f.identity.Name)).To(BeZero())

		By("and put back if somebody changes it")
		edited := f.identity.DeepCopy()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(edited), edited)).To(Succeed())
		edited.Status.AccountID = "999999999999"
		Expect(admin.Status().Update(ctx, edited)).To(Succeed())
		Eventually(func() string { return statusOfIdentity(ctx, f.identity.Name).AccountID }).
			WithTimeout(2 * patience).Should(Equal(f.account.ID()))
	})

	It("keep their status over a restart", func(ctx SpecContext) {
		f := s.fleet(ctx)
		f.ready(ctx)
		since := meta.FindStatusCondition(statusOfIdentity(ctx, f.identity.Name).Conditions, v1alpha1.ConditionReady).LastTransitionTime
		stopSharedOperator()
		gate := fake.NewGate()
		f.fault(fake.Fault{Operation: "GetCallerIdentity", Effect: gate.Effect()})
		sharedOperator()
		Eventually(gate.Waiting).Should(BeNumerically(">", 0))
		Expect(statusOfIdentity(ctx, f.identity.Name).AccountID).To(Equal(f.account.ID()))
		gate.Open()
		f.ready(ctx)
		Expect(meta.FindStatusCondition(statusOfIdentity(ctx, f.identity.Name).Conditions, v1alpha1.ConditionReady).LastTransitionTime).To(Equal(since))
	})

	It("are none for an operator of some namespaces", func(ctx SpecContext) {
		f := s.fleet(ctx)
		ownOperator(operatorOptions{namespaces: []string{s.namespace}})
		mark := audit.mark()
		s.service(ctx, "payments")
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonIdentityNotFound, "limited to namespaces"))
		for _, r := range audit.since(mark) {
			Expect(r.Resource).NotTo(Equal("awsidentities"))
		}
	})
})

// identityWrites counts the requests that wrote the status of an AWSIdentity.
func identityWrites(mark int, name string) (n int) {
	for _, r := range audit.since(mark) {
		if r.Resource == "awsidentities/status" && r.Name == name {
			n++
		}
	}
	return n
}
