// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

const (
	region = "eu-west-1"
	// ownAccount is that of the operator's own credentials.
	ownAccount = "100000000000"
)

// aws is what the operators of the suite ask.
var aws *fake.Server

// startAWS starts it, and gives the operators credentials by the environment.
func startAWS() {
	var err error
	aws, err = fake.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { aws.Close() })
	key := aws.Account(ownAccount).User("operator")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": aws.URL(), "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": key.ID, "AWS_SECRET_ACCESS_KEY": key.Secret, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		GinkgoT().Setenv(name, value)
	}
}

// fleet is an AWS account of a scene's own, with an AWSIdentity for it.
type fleet struct {
	*fake.Region
	account  *fake.Account
	role     string
	identity *v1alpha1.AWSIdentity
}

var accounts atomic.Int64

// fleet makes an account with a role, and an AWSIdentity that every namespace may
// use, unless edits say otherwise.
func (s *scene) fleet(ctx context.Context, edits ...func(*v1alpha1.AWSIdentity)) *fleet {
	GinkgoHelper()
	f := s.fleetWithoutIdentity(edits...)
	f.restore(ctx)
	return f
}

// fleetWithoutIdentity is as fleet, but that restore has yet to create the AWSIdentity.
func (s *scene) fleetWithoutIdentity(edits ...func(*v1alpha1.AWSIdentity)) *fleet {
	GinkgoHelper()
	f := &fleet{account: aws.Account(fmt.Sprintf("2%02d%09d", GinkgoParallelProcess(), accounts.Add(1)))}
	f.Region = f.account.Region(region)
	f.role = f.account.Role(fake.Role{Name: "externalbackend"})
	f.identity = &v1alpha1.AWSIdentity{
		ObjectMeta: metav1.ObjectMeta{Name: "of-" + f.account.ID()},
		Spec: v1alpha1.AWSIdentitySpec{
			AllowedNamespaces: &v1alpha1.NamespaceSelector{}, Regions: []v1alpha1.Region{region}, Role: &v1alpha1.AWSRole{ARN: f.role},
		},
	}
	for _, edit := range edits {
		edit(f.identity)
	}
	DeferCleanup(func(ctx SpecContext) {
		Expect(admin.Delete(ctx, f.identity)).To(Or(Succeed(), MatchError(ContainSubstring("not found"))))
	})
	return f
}

// run starts an instance that serves on port 8080 of an address.
func (f *fleet) run(s *scene, address string, edits ...func(*fake.Instance)) string {
	GinkgoHelper()
	s.host(address)
	spec := fake.Instance{PrivateIP: address, Tags: map[string]string{"app": "payments"}}
	for _, edit := range edits {
		edit(&spec)
	}
	return f.Run(spec)
}

// selected adds an entry with the instances that have the tag app=payments.
func (f *fleet) selected(entry string, edits ...func(*v1alpha1.EC2Target)) func(*v1alpha1.ExternalBackend) {
	target := &v1alpha1.EC2Target{
		Region: region, IdentityRef: v1alpha1.AWSIdentityReference{Name: v1alpha1.IdentityName(f.identity.Name)},
		Selector: v1alpha1.InstanceSelector{Filters: []v1alpha1.InstanceFilter{{Name: "tag:app", Values: []v1alpha1.FilterValue{"payments"}}}},
	}
	for _, edit := range edits {
		edit(target)
	}
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = append(eb.Spec.Targets, v1alpha1.Target{Name: entry, EC2: target})
	}
}

// byID selects instances by their ids.
func byID(ids ...string) func(*v1alpha1.EC2Target) {
	return func(t *v1alpha1.EC2Target) {
		t.Selector = v1alpha1.InstanceSelector{}
		for _, id := range ids {
			t.Selector.InstanceIDs = append(t.Selector.InstanceIDs, v1alpha1.InstanceID(id))
		}
	}
}

// listed waits until the instances of the account were listed so many times more.
func (f *fleet) listed(ctx context.Context, times int) {
	GinkgoHelper()
	before := f.listings()
	Eventually(f.listings).WithContext(ctx).WithTimeout(2 * patience).Should(BeNumerically(">=", before+times))
}

// listings is how often instances of the account were listed.
func (f *fleet) listings() int {
	n := 0
	for _, r := range aws.Requests("DescribeInstances") {
		if r.Account == f.account.ID() && r.Status != 0 {
			n++
		}
	}
	return n
}

// fault has requests of the account go wrong until it is removed or the spec ends.
func (f *fleet) fault(fault fake.Fault) *fake.Injection {
	fault.Account = f.account.ID()
	injected := aws.Inject(fault)
	DeferCleanup(injected.Remove)
	return injected
}

// down has every request to AWS go wrong until that is removed or the spec ends.
func down(effect fake.Effect) *fake.Injection {
	injected := aws.Inject(fake.Fault{Effect: effect})
	DeferCleanup(injected.Remove)
	return injected
}

// expectStale waits until the status says that instances cannot be listed, why, and
// since when. It takes some time, since a call that fails is tried again.
func (s *scene) expectStale(ctx context.Context, name, reason string, parts ...string) {
	GinkgoHelper()
	Eventually(s.condition).WithContext(ctx).WithTimeout(3*patience).
		WithArguments(name, v1alpha1.ConditionStale).Should(yes(reason, append(parts, "since ")...))
}

// expectFresh waits until they can be again.
func (s *scene) expectFresh(ctx context.Context, name string) {
	GinkgoHelper()
	Eventually(s.condition).WithContext(ctx).WithTimeout(3*patience).
		WithArguments(name, v1alpha1.ConditionStale).Should(withdrawn)
}

// served makes an ExternalBackend of the instances with the tag app=payments, and
// waits until these addresses, and no others, are ready.
func (f *fleet) served(ctx context.Context, s *scene, addresses []string, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
	GinkgoHelper()
	eb := s.backend(ctx, "payments", append(edits, f.selected("fleet"))...)
	want := endpoints{}
	for _, address := range addresses {
		want[address] = in
	}
	s.expect(ctx, "payments", want)
	s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	return eb
}
