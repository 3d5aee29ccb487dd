// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// fullInstances is a set of instances with every field of the Go types.
func fullInstances(by v1alpha1.NetworkInterfaceSelector) *v1alpha1.EC2Target {
	return &v1alpha1.EC2Target{
		Region: "eu-west-1", IdentityRef: v1alpha1.AWSIdentityReference{Name: "shared"},
		Selector: v1alpha1.InstanceSelector{
			InstanceIDs: []v1alpha1.InstanceID{instance},
			Filters:     []v1alpha1.InstanceFilter{{Name: "tag:app", Values: []v1alpha1.FilterValue{"pay*", ""}}},
		},
		Addresses:        v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4Public, IPv6: v1alpha1.InstanceIPv6Primary, Secondary: v1alpha1.SecondaryInclude},
		NetworkInterface: by,
		DrainOn:          []v1alpha1.InstanceDrainReason{v1alpha1.DrainOnImpairedStatus, v1alpha1.DrainOnScheduledEvent, v1alpha1.DrainOnSpotInterruption},
	}
}

// fullIdentity is an AWSIdentity with every field of the Go types.
func fullIdentity() *v1alpha1.AWSIdentity {
	return &v1alpha1.AWSIdentity{
		ObjectMeta: metav1.ObjectMeta{Name: "everything"},
		Spec: v1alpha1.AWSIdentitySpec{
			AllowedNamespaces: &v1alpha1.NamespaceSelector{
				MatchLabels:      v1alpha1.MatchLabels{"team": "shop"},
				MatchExpressions: []v1alpha1.LabelExpression{{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{"gold"}}},
			},
			Regions:         []v1alpha1.Region{"eu-west-1"},
			Role:            &v1alpha1.AWSRole{ARN: someRole, SessionTags: v1alpha1.SessionTags{"cluster": "blue"}},
			AccessKeySecret: &v1alpha1.SecretReference{Name: "keys"},
			InstanceStatus:  v1alpha1.ObservationIgnore, AutoScaling: v1alpha1.ObservationIgnore,
			Queues: []v1alpha1.EventQueue{{URL: "https://sqs.eu-west-1.amazonaws.com/123456789012/externalbackend"}},
		},
		Status: v1alpha1.AWSIdentityStatus{
			ObservedGeneration: 1,
			Conditions: []metav1.Condition{{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAuthenticated, Message: "AWS accepts the credentials",
				ObservedGeneration: 1, LastTransitionTime: whole(2026, time.January, 1),
			}},
			ExternalID: "externalbackend-0123", AccountID: "123456789012", ARN: someRole,
			Regions: []v1alpha1.AWSRegionStatus{{Region: "eu-west-1", Problem: "none", StaleSince: new(whole(2026, time.January, 2))}},
		},
	}
}

// storedIdentity reads what is stored of an AWSIdentity.
func storedIdentity(ctx SpecContext, name string) *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AWSIdentity"))
	Expect(api.Get(ctx, client.ObjectKey{Name: name}, object)).To(Succeed())
	return object
}

var _ = Describe("The Go types of an AWSIdentity", func() {
	It("come back from the API server as they were sent, with every field of the schema", func(ctx SpecContext) {
		sent := fullIdentity()
		Expect(api.Create(ctx, sent)).To(Succeed())
		removeLater(sent)
		sent.Status = fullIdentity().Status
		Expect(api.Status().Update(ctx, sent)).To(Succeed())
		read := &v1alpha1.AWSIdentity{}
		Expect(api.Get(ctx, client.ObjectKeyFromObject(sent), read)).To(Succeed())
		Expect(read.Spec).To(Equal(fullIdentity().Spec))
		Expect(read.Status).To(Equal(fullIdentity().Status))

		raw, seen := storedIdentity(ctx, sent.Name), map[string]bool{}
		for _, part := range []string{"spec", "status"} {
			Expect(quoted(raw.Object[part])).To(MatchJSON(quoted(plain(fullIdentity())[part])), part)
			visit(part, raw.Object[part], func(path string, _ any) { seen[place(path)] = true })
		}
		for _, path := range identities.ownPaths() {
			Expect(seen).To(HaveKey(path), "the Go types lack a field that the schema has")
		}
		Expect(seen).To(HaveLen(len(identities.ownPaths())), "the schema lacks a field of the Go types")
	})

	It("leave out what is not set", func(ctx SpecContext) {
		minimal := &v1alpha1.AWSIdentity{ObjectMeta: metav1.ObjectMeta{Name: "minimal"}, Spec: v1alpha1.AWSIdentitySpec{Regions: []v1alpha1.Region{"eu-west-1"}}}
		Expect(quoted(plain(minimal)["spec"])).To(MatchJSON(`{"regions": ["eu-west-1"]}`))
		Expect(api.Create(ctx, minimal)).To(Succeed())
		removeLater(minimal)
		Expect(quoted(storedIdentity(ctx, "minimal").Object["spec"])).To(MatchJSON(
			`{"regions": ["eu-west-1"], "instanceStatus": "Observe", "autoScaling": "Observe"}`))
	})
})

var _ = Describe("An AWSIdentity", func() {
	It("at every bound can be applied, reported about and edited", func(ctx SpecContext) {
		object := identities.edited(
			set("metadata.name", quoted(longestHostname)), set("spec.allowedNamespaces.matchLabels", pairs(16, letters64[:63])),
			set("spec.allowedNamespaces.matchExpressions", repeated(16, "{key: k%d, operator: In, values: "+repeated(64, "v%d")+"}")),
			set("spec.regions", regions(32)), remove("spec.queues"), set("spec.role.arn", someRole+strings.Repeat("a", 2048-len(someRole))),
			set(sessionTags, pairs(16, strings.Repeat("a", 256))),
		)
		Expect(api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("largest"))).To(Succeed())
		removeLater(object)
		identity := &v1alpha1.AWSIdentity{}
		Expect(api.Get(ctx, client.ObjectKeyFromObject(object), identity)).To(Succeed())
		identity.Spec.Regions[31] = "eu-west-1"
		for range 8 {
			identity.Spec.Queues = append(identity.Spec.Queues, v1alpha1.EventQueue{
				URL: "https://sqs-fips.eu-west-1.amazonaws.com/123456789012/" + longest(len(identity.Spec.Queues)) + ".fifo",
			})
		}
		Expect(api.Update(ctx, identity)).To(Succeed())
		Expect(identity.Generation).To(Equal(int64(2)))
	})

	It("has a status that does not touch its generation, and a spec that a status does not touch", func(ctx SpecContext) {
		stored, err := store(ctx, identities.edited(set("status.observedGeneration", "1")))
		Expect(err).NotTo(HaveOccurred())
		Expect(stored.GetGeneration()).To(Equal(int64(1)))
		stored.Object["spec"] = parsed("{regions: [us-east-1]}")
		Expect(api.Status().Update(ctx, stored)).To(Succeed())
		Expect(at(storedIdentity(ctx, "shared").Object, "spec.regions")).To(Equal(parsed("[eu-west-1, us-east-1]")))
	})
})
