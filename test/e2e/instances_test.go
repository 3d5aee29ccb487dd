// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
)

const (
	// listBound is how long it may take until what changes in AWS is published. The
	// next listing begins after 11 s at the latest; that doubled, for who is asked
	// for by id once more, for the API server and a slow machine.
	listBound = 2 * 11 * time.Second
	// failBound is how long it may take until a failing listing is told. It is tried
	// five times, with up to 15 s of pauses in between. After that, too, the next
	// one begins 11 s later at most. All of it doubled.
	failBound = 2 * (11 + 15) * time.Second
	// spotBound is how long the operator may take to act on a message of a queue that
	// it waits at. It is well below listBound, though no listing has what it says.
	spotBound = 10 * time.Second
)

// caseTag is the tag of a case's instances; its value is the case's namespace.
const caseTag = "case"

// identity makes an AWSIdentity for the case that may ask for instances of the
// region, with the operator's own credentials, and returns its name.
func (s *scene) identity(ctx context.Context, region v1alpha1.Region, edits ...func(*v1alpha1.AWSIdentity)) v1alpha1.IdentityName {
	GinkgoHelper()
	identity := &v1alpha1.AWSIdentity{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec: v1alpha1.AWSIdentitySpec{
			AllowedNamespaces: &v1alpha1.NamespaceSelector{}, Regions: []v1alpha1.Region{region},
		},
	}
	for _, edit := range edits {
		edit(identity)
	}
	Expect(api.Create(ctx, identity)).To(Succeed())
	deleteAfterwards(identity)
	return v1alpha1.IdentityName(identity.Name)
}

// deleteAfterwards deletes an object, if it is still there, when the case is over.
func deleteAfterwards(object client.Object) {
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(api.Delete(ctx, object))).To(Succeed())
	}, NodeTimeout(waitBound))
}

// instances has an ExternalBackend stand for the case's instances alone.
func (s *scene) instances(region v1alpha1.Region, identity v1alpha1.IdentityName, edits ...func(*v1alpha1.EC2Target)) func(*v1alpha1.ExternalBackend) {
	ec2 := &v1alpha1.EC2Target{
		Region: region, IdentityRef: v1alpha1.AWSIdentityReference{Name: identity},
		Selector: v1alpha1.InstanceSelector{Filters: []v1alpha1.InstanceFilter{{
			Name: "tag:" + caseTag, Values: []v1alpha1.FilterValue{v1alpha1.FilterValue(s.namespace)},
		}}},
	}
	for _, edit := range edits {
		edit(ec2)
	}
	return func(b *v1alpha1.ExternalBackend) {
		b.Spec.Targets = append(b.Spec.Targets, v1alpha1.Target{Name: "fleet", EC2: ec2})
	}
}

// runs starts an instance of the case in the fake, at the address of the host, and
// returns its id.
func (s *scene) runs(h *rack.Host) string {
	region := installed.AWS.Region()
	id := region.Run(fake.Instance{PrivateIP: h.IP4.String(), Tags: map[string]string{caseTag: s.namespace}})
	DeferCleanup(func() { region.Purge(id) })
	return id
}

// scripted serves an instance in the fake for each host as the Service web, and
// returns their ids.
func (s *scene) scripted(ctx context.Context, hosts []*rack.Host, edits ...func(*v1alpha1.ExternalBackend)) []string {
	GinkgoHelper()
	var ids []string
	want := map[string]string{}
	for _, h := range hosts {
		id := s.runs(h)
		ids, want[h.IP4.String()] = append(ids, id), endpoint(id, healthy)
	}
	s.backend(ctx, "web", nil, append(edits, s.instances(lab.FakeRegion, s.identity(ctx, lab.FakeRegion)))...)
	s.eventuallyEndpoints(ctx, "web", want)
	return ids
}

// ipv4 returns the IPv4 addresses of the hosts.
func ipv4(hosts ...*rack.Host) []netip.Addr {
	var addrs []netip.Addr
	for _, h := range hosts {
		addrs = append(addrs, h.IP4)
	}
	return addrs
}

// endpoint is what is published of an address of an instance.
func endpoint(id, conditions string) string { return id + " " + conditions }

// endpoints returns the hostname and the conditions of every address in our slices
// of the Service.
func (s *scene) endpoints(ctx context.Context, service string) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	for _, slice := range s.ours(ctx, service) {
		for _, e := range slice.Endpoints {
			all[e.Addresses[0]] = endpoint(hostname(e), letter(e.Conditions.Ready)+letter(e.Conditions.Serving)+letter(e.Conditions.Terminating))
		}
	}
	return all
}

func hostname(e discoveryv1.Endpoint) string {
	if e.Hostname == nil {
		return "-"
	}
	return *e.Hostname
}

// eventuallyEndpoints waits until exactly these addresses are published, each with
// the instance and in the condition that endpoint says.
func (s *scene) eventuallyEndpoints(ctx context.Context, service string, want map[string]string) {
	GinkgoHelper()
	Eventually(s.endpoints).WithContext(ctx).WithTimeout(listBound).WithArguments(service).Should(Equal(want))
}

// eventuallyStaleFor waits until the condition Stale is there with a reason, or not
// at all if there is none, and returns its message.
func (s *scene) eventuallyStaleFor(ctx context.Context, name, reason string) (message string) {
	GinkgoHelper()
	Eventually(func(g Gomega) string {
		var b v1alpha1.ExternalBackend
		g.Expect(api.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &b)).To(Succeed())
		g.Expect(b.Status.Conditions).To(ContainElement(HaveField("Type", v1alpha1.ConditionPublished))) // it was looked at
		for _, c := range b.Status.Conditions {
			if c.Type == v1alpha1.ConditionStale && c.Status == metav1.ConditionTrue {
				message = c.Message
				return c.Reason
			}
		}
		return ""
	}).WithContext(ctx).WithTimeout(failBound).Should(Equal(reason))
	return message
}
