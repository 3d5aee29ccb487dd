// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/controllers"
)

const (
	fencedMetric = "externalbackend_fenced"
	fencedLabel  = "externalbackend.dev/fenced"
)

var _ = Describe("The fence of the operator's account", func() {
	It("is found to be in force, by a question that leaves nothing behind", func(ctx SpecContext) {
		mark := audit.mark()
		o := ownOperator(operatorOptions{fenceNamespace: shipped.account.Namespace})
		Eventually(o.series).WithArguments(fencedMetric, "", "", "").Should(Equal(map[string]float64{"": 1}))
		var asked []request
		for _, r := range audit.since(mark) {
			if r.Namespace == shipped.account.Namespace && r.Resource == "endpointslices" && r.Verb == "create" {
				asked = append(asked, r)
			}
		}
		Expect(asked).To(HaveExactElements(HaveField("URI", ContainSubstring("dryRun=All"))), "once")
		var left discoveryv1.EndpointSliceList
		Expect(admin.List(ctx, &left, client.InNamespace(shipped.account.Namespace))).To(Succeed())
		Expect(left.Items).To(BeEmpty())
	})

	It("is found to be about somebody else", func(ctx SpecContext) {
		s := newScene(ctx)
		o := ownOperator(operatorOptions{
			connection: s.otherAccount(ctx, namespacedRules(ctx)), namespaces: []string{s.namespace}, fenceNamespace: s.namespace,
		})
		Eventually(o.series).WithArguments(fencedMetric, "", "", "").Should(Equal(map[string]float64{"": 0}))
		Expect(s.slices(ctx)).To(BeEmpty())
	})

	It("tells an author why nothing is published in a namespace that it closes, and leaves the rest alone", func(ctx SpecContext) {
		sharedOperator()
		s, neighbours := newScene(ctx), newScene(ctx)
		fence(ctx, s.namespace)
		for _, in := range []*scene{s, neighbours} {
			in.host("192.0.2.10")
			in.service(ctx, "payments")
			in.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		}
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed,
			"the operator may write no EndpointSlice in a namespace that is fenced", s.namespace+" has the label "+fencedLabel, "administrator"))
		neighbours.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(s.slices(ctx)).To(BeEmpty())
		edit(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, func(ns *corev1.Namespace) {
			delete(ns.Labels, fencedLabel)
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})
})

// fence closes a namespace, as the API server knows when it returns.
func fence(ctx context.Context, namespace string) {
	GinkgoHelper()
	edit(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, func(ns *corev1.Namespace) {
		ns.Labels[fencedLabel] = "true"
	})
	account := client.NewDryRunClient(asOperator(ctx))
	Eventually(func(ctx context.Context) error {
		trial := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "trial"}, AddressType: discoveryv1.AddressTypeIPv4}
		return account.Create(ctx, trial)
	}).WithContext(ctx).Should(MatchError(ContainSubstring("fenced")))
}

// asOperator acts as the shipped ServiceAccount.
func asOperator(ctx context.Context) client.Client {
	GinkgoHelper()
	config := rest.AnonymousClientConfig(cluster)
	config.BearerToken = tokenFor(ctx, shipped.account.Namespace, shipped.account.Name)
	c, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// answers is an API server that gives these answers, one after the other.
type answers struct {
	client.Writer
	list  []error
	asked int
}

func (a *answers) Create(context.Context, client.Object, ...client.CreateOption) error {
	a.asked++
	return a.list[min(a.asked, len(a.list))-1]
}

// TestFenceCheck: it asks until it has been answered, and says nothing that it
// does not know.
func TestFenceCheck(t *testing.T) {
	resource := schema.GroupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}
	refused := apierrors.NewForbidden(resource, "", errors.New("ValidatingAdmissionPolicy 'blue-endpointslice-fence' with binding 'blue-endpointslice-fence' denied request: no target"))
	for _, tt := range []struct {
		name      string
		namespace string
		answers   []error
		asked     int
		found     []bool
	}{
		{"outside a cluster", "", []error{nil}, 0, nil},
		{"fenced", "operators", []error{refused}, 1, []bool{true}},
		{"not fenced", "operators", []error{nil}, 1, []bool{false}},
		{"no permission there", "operators", []error{apierrors.NewForbidden(resource, "", errors.New("cannot create resource"))}, 1, nil},
		{"refused by something else", "operators", []error{apierrors.NewBadRequest("admission webhook does not support dry run")}, 1, nil},
		{"no answer at first", "operators", []error{errors.New("connection refused"), apierrors.NewTooManyRequests("busy", 1), apierrors.NewUnauthorized("not yet"), apierrors.NewInternalError(errors.New("etcd")), refused}, 5, []bool{true}},
		{"never an answer", "operators", []error{errors.New("connection refused")}, 10, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute+time.Second)
				defer cancel()
				a := &answers{list: tt.answers}
				var found []bool
				check := &controllers.FenceCheck{
					Client: a, Namespace: tt.namespace, Clock: clock.RealClock{}, Found: func(fenced bool) { found = append(found, fenced) },
				}
				if err := check.Start(ctx); err != nil {
					t.Fatal(err)
				}
				if a.asked != tt.asked || !slices.Equal(found, tt.found) {
					t.Errorf("asked %d times and found %v, want %d and %v", a.asked, found, tt.asked, tt.found)
				}
			})
		})
	}
}
