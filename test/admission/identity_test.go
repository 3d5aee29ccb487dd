// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const identityUse = "externalbackend-identity-use"

// targets returns an ExternalBackend with entries, as YAML.
func targets(entries string) *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal(fmt.Appendf(nil, `
apiVersion: externalbackend.dev/v1alpha1
kind: ExternalBackend
metadata: {name: payments, namespace: %s}
spec: {targets: [%s]}
`, namespace, entries), &object.Object)).To(Succeed())
	return object
}

// fleet is an entry that names an identity.
func fleet(name, identity string) string {
	return fmt.Sprintf("{name: %s, ec2: {region: eu-west-1, identityRef: {name: %s}, %s}}", name, identity, someInstance)
}

const someInstance = "selector: {instanceIDs: [i-01234567]}"

const rack = "{name: rack, ip: {addresses: [192.0.2.10]}}"

// with adds entries to an ExternalBackend.
func with(object *unstructured.Unstructured, entries string) *unstructured.Unstructured {
	changed := object.DeepCopy()
	changed.Object["spec"] = targets(entries).Object["spec"]
	return changed
}

var _ = Describe("An AWSIdentity", Ordered, func() {
	const author = "author"
	var user client.Client
	BeforeAll(func(ctx SpecContext) {
		grant(ctx, author, "externalbackend-editor-role", author)
		user = as(author)
		Eventually(func() error { return client.NewDryRunClient(user).Create(ctx, targets(fleet("fleet", "shared"))) }).
			WithContext(ctx).Should(refusedBy(identityUse, ""), "the policy is not in force")
	}, NodeTimeout(2*time.Minute))

	create := func(ctx context.Context, entries string) error {
		return client.NewDryRunClient(user).Create(ctx, targets(entries))
	}
	refused := func(name string) OmegaMatcher {
		return refusedBy(identityUse, `"author" may not use AWSIdentity "`+name+`": have an administrator grant the verb use`)
	}
	// allow lets the author use an identity, until the spec is over.
	allow := func(ctx context.Context, name string) {
		GinkgoHelper()
		mustCreate(ctx, &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "use-" + name},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"externalbackend.dev"}, Resources: []string{"awsidentities"}, ResourceNames: []string{name}, Verbs: []string{"use"}}},
		})
		grant(ctx, "use-"+name, "use-"+name, author)
		Eventually(create).WithContext(ctx).WithArguments(fleet("fleet", name)).Should(Succeed())
	}

	It("is named by those who may use it", func(ctx SpecContext) {
		Expect(create(ctx, fleet("fleet", "shared"))).To(refused("shared"))
		allow(ctx, "shared")
		Expect(create(ctx, rack+","+fleet("a", "shared")+","+fleet("b", "shared"))).To(Succeed())
		Expect(create(ctx, fleet("a", "shared")+","+fleet("b", "other"))).To(refused("other"))
	})

	It("is the one named default where none is named", func(ctx SpecContext) {
		const implied = "{name: fleet, ec2: {region: eu-west-1, " + someInstance + "}}"
		Expect(create(ctx, implied)).To(refused("default"))
		Expect(create(ctx, "{name: fleet, ec2: {region: eu-west-1, identityRef: {}, "+someInstance+"}}")).To(refused("default"))
		allow(ctx, "default")
		Expect(create(ctx, implied)).To(Succeed())
	})

	It("is of no matter where no entry has one", func(ctx SpecContext) {
		Expect(create(ctx, rack)).To(Succeed())
	})

	It("is asked for once, whichever entry names it", func(ctx SpecContext) {
		names := []string{"a", "b", "c", "d"}
		var entries []string
		for i := range 16 {
			entries = append(entries, fleet(fmt.Sprintf("e%d", i), names[i/4]))
		}
		for _, name := range names {
			Expect(create(ctx, strings.Join(entries, ","))).To(refused(name))
			allow(ctx, name)
		}
		Expect(create(ctx, strings.Join(entries, ","))).To(Succeed())
		entries[15] = fleet("e15", "e")
		Expect(create(ctx, strings.Join(entries, ","))).To(refusedBy(identityUse, "at most 4 AWSIdentities"))
	})

	It("is no matter of how many entries there are", func(ctx SpecContext) {
		var entries, ids []string
		for i := range 10 {
			ids = append(ids, fmt.Sprintf("i-%017d", i))
		}
		all := "selector: {instanceIDs: [" + strings.Join(ids, ",") + "]}"
		for i := range 100 {
			entry := fleet(fmt.Sprintf("entry-%057d", i), fmt.Sprintf("identity-%0200d", i%4))
			entries = append(entries, strings.Replace(entry, someInstance, all, 1))
		}
		object := targets(strings.Join(entries, ","))
		mustCreate(ctx, object)
		Expect(client.NewDryRunClient(user).Update(ctx, with(object, strings.Join(entries, ",")))).To(Succeed())
		entries[99] = fleet("last", "other")
		Expect(client.NewDryRunClient(user).Update(ctx, with(object, strings.Join(entries, ",")))).To(refused("other"))
	})

	DescribeTable("that others named", func(ctx SpecContext, entries string, answer OmegaMatcher) {
		object := targets(rack + "," + fleet("fleet", "shared"))
		mustCreate(ctx, object)
		Expect(client.NewDryRunClient(user).Update(ctx, with(object, entries))).To(answer)
		Expect(client.NewDryRunClient(admin).Update(ctx, with(object, entries))).To(Succeed(), "the control case: one who may do everything")
	},
		Entry("stays while the rest is edited", "{name: rack, ip: {addresses: [192.0.2.11]}}, "+fleet("fleet", "shared"), Succeed()),
		Entry("stays while its entry is edited otherwise",
			rack+", {name: fleet, state: Drain, ec2: {region: eu-west-1, identityRef: {name: shared}, "+someInstance+"}}", Succeed()),
		Entry("can be removed", rack, Succeed()),
		Entry("cannot be exchanged for another", rack+","+fleet("fleet", "other"), refused("other")),
		Entry("cannot be named by another entry", rack+","+fleet("fleet", "shared")+","+fleet("more", "shared"), refused("shared")),
		Entry("cannot be used for other instances", rack+", {name: fleet, ec2: {region: us-east-1, identityRef: {name: shared}, "+someInstance+"}}", refused("shared")),
		Entry("cannot be used for more instances", rack+", {name: fleet, ec2: {region: eu-west-1, identityRef: {name: shared}, selector: {instanceIDs: [i-01234567, i-89abcdef]}}}", refused("shared")),
		Entry("cannot be used for other addresses", rack+", {name: fleet, ec2: {region: eu-west-1, identityRef: {name: shared}, addresses: {ipv4: Public}, "+someInstance+"}}", refused("shared")),
		Entry("stays while defaults are spelled out", rack+", {name: fleet, ec2: {region: eu-west-1, identityRef: {name: shared}, addresses: {ipv4: Private}, networkInterface: {}, "+someInstance+"}}", Succeed()),
		Entry("cannot go over to an entry of another name", rack+","+fleet("renamed", "shared"), refused("shared")),
	)

	It("is no matter of metadata", func(ctx SpecContext) {
		object := targets(fleet("fleet", "shared"))
		mustCreate(ctx, object)
		object.SetLabels(map[string]string{"team": "shop"})
		Expect(user.Update(ctx, object)).To(Succeed())
	})

	It("is not checked without the policy", func(ctx SpecContext) {
		binding := &unstructured.Unstructured{}
		binding.SetAPIVersion("admissionregistration.k8s.io/v1")
		binding.SetKind("ValidatingAdmissionPolicyBinding")
		Expect(admin.Get(ctx, client.ObjectKey{Name: identityUse}, binding)).To(Succeed())
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			binding.SetResourceVersion("")
			Expect(admin.Create(ctx, binding)).To(Succeed())
			Eventually(create).WithContext(ctx).WithArguments(fleet("fleet", "shared")).Should(refused("shared"))
		}, NodeTimeout(time.Minute))
		Eventually(create).WithContext(ctx).WithArguments(fleet("fleet", "shared")).Should(Succeed())
	})
})
