// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
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
	logf "sigs.k8s.io/controller-runtime/pkg/log"

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

// answers is an API server that gives these answers, one after the other, and the
// last of them from then on. It keeps when it was asked.
type answers struct {
	client.Writer
	list  []error
	since time.Time
	asked []time.Duration
}

func (a *answers) Create(context.Context, client.Object, ...client.CreateOption) error {
	a.asked = append(a.asked, time.Since(a.since))
	return a.list[min(len(a.asked), len(a.list))-1]
}

// TestFenceCheck: it goes on asking, soon for as long as nothing fences the account,
// says nothing that it does not know, and gives no alarm for what has only just
// been applied.
func TestFenceCheck(t *testing.T) {
	resource := schema.GroupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}
	refused := apierrors.NewForbidden(resource, "", errors.New("ValidatingAdmissionPolicy 'blue-endpointslice-fence' with binding 'blue-endpointslice-fence' denied request: no target"))
	forbidden := apierrors.NewForbidden(resource, "", errors.New("cannot create resource"))
	away := errors.New("connection refused")
	const minute, hour = time.Minute, time.Hour
	for _, tt := range []struct {
		name    string
		answers []error
		lasting time.Duration
		asked   []time.Duration
		found   []bool
		alarms  int
	}{
		{"fenced", []error{refused}, 2 * hour, []time.Duration{0, hour, 2 * hour}, []bool{true, true, true}, 0},
		{"not fenced", []error{nil}, 3 * minute, []time.Duration{0, minute, 2 * minute, 3 * minute}, []bool{false, false, false, false}, 1},
		{"fenced since a moment ago", []error{nil, refused}, hour + minute, []time.Duration{0, minute, hour + minute}, []bool{false, true, true}, 0},
		{"fenced later", []error{nil, nil, refused}, hour, []time.Duration{0, minute, 2 * minute}, []bool{false, false, true}, 1},
		{"fenced no longer", []error{refused, nil}, hour + minute, []time.Duration{0, hour, hour + minute}, []bool{true, false, false}, 1},
		{"not fenced again and again", []error{nil, nil, refused, nil}, hour + 3*minute, []time.Duration{0, minute, 2 * minute, hour + 2*minute, hour + 3*minute}, []bool{false, false, true, false, false}, 2},
		{"no permission there", []error{forbidden}, hour, []time.Duration{0, hour}, nil, 0},
		{"refused by something else", []error{apierrors.NewBadRequest("admission webhook does not support dry run"), refused}, hour, []time.Duration{0, hour}, []bool{true}, 0},
		{
			"no answer at first",
			[]error{away, apierrors.NewTooManyRequests("busy", 1), apierrors.NewUnauthorized("not yet"), apierrors.NewInternalError(errors.New("etcd")), refused},
			hour,
			[]time.Duration{0, minute, 2 * minute, 3 * minute, 4 * minute},
			[]bool{true},
			0,
		},
		{"never an answer", []error{away}, 2 * minute, []time.Duration{0, minute, 2 * minute}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.lasting+time.Second)
				defer cancel()
				alarms := 0
				ctx = logf.IntoContext(ctx, funcr.New(func(_, args string) {
					if strings.Contains(args, "is not in force") {
						alarms++
					}
				}, funcr.Options{}))
				a := &answers{list: tt.answers, since: time.Now()}
				var found []bool
				check := &controllers.FenceCheck{
					Client: a, Namespace: "operators", Clock: clock.RealClock{}, Found: func(fenced bool) { found = append(found, fenced) },
				}
				if err := check.Start(ctx); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(a.asked, tt.asked) || !slices.Equal(found, tt.found) || alarms != tt.alarms {
					t.Errorf("asked after %v, found %v and gave %d alarms, want %v, %v and %d", a.asked, found, alarms, tt.asked, tt.found, tt.alarms)
				}
			})
		})
	}
}

// TestFenceCheckWithoutNamespace: nothing is asked where there is nowhere to.
func TestFenceCheckWithoutNamespace(t *testing.T) {
	a := &answers{list: []error{nil}}
	check := &controllers.FenceCheck{Client: a, Clock: clock.RealClock{}, Found: func(fenced bool) { t.Errorf("found %v", fenced) }}
	if err := check.Start(t.Context()); err != nil || len(a.asked) > 0 {
		t.Errorf("asked %d times: %v", len(a.asked), err)
	}
}
