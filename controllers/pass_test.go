// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/reference"
	"k8s.io/utils/clock"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// begun returns a pass over an ExternalBackend with an entry in each of two tiers.
func begun(r *ServiceReconciler) *pass {
	near, far := &translate.Entry{Name: "near", State: v1alpha1.TargetActive}, &translate.Entry{Name: "far", State: v1alpha1.TargetActive, Tier: 1}
	p := &pass{eb: &v1alpha1.ExternalBackend{}, entries: map[string]*translate.Entry{"near": near, "far": far}}
	p.backend.Tiers = health.TierPolicy{Count: 1, ReturnDelay: time.Hour}
	p.grant.Targets = []target.Target{
		{Addr: netip.MustParseAddr("192.0.2.10"), Entry: "near"}, {Addr: netip.MustParseAddr("192.0.2.20"), Entry: "far"},
	}
	p.health = []health.Status{{Verdict: health.Unknown}, {Verdict: health.Healthy}}
	r.known.claim([]health.Subscriber{p.subscriber()})
	return p
}

// TestTiersAreNotRankedBeforeFirstVerdicts: a worse tier that is faster to check
// must not serve until the better one has sufficed for the delay of a return.
func TestTiersAreNotRankedBeforeFirstVerdicts(t *testing.T) {
	r := &ServiceReconciler{Clock: clock.RealClock{}}
	p := begun(r)
	p.awaiting = true
	r.rank(&world{}, []*pass{p})
	p.awaiting, p.health[0].Verdict = false, health.Healthy
	r.rank(&world{}, []*pass{p})
	if near, far := p.standby[p.grant.Targets[0].Addr], p.standby[p.grant.Targets[1].Addr]; near || !far {
		t.Errorf("near stands by: %t, far: %t", near, far)
	}
}

// TestFirstResultsEndTheBeginning: an address that answers, and never gets a verdict,
// does not have a better tier take over without the delay of a return.
func TestFirstResultsEndTheBeginning(t *testing.T) {
	r := &ServiceReconciler{Clock: clock.RealClock{}}
	p := begun(r)
	p.grant.Targets = append(p.grant.Targets, target.Target{Addr: netip.MustParseAddr("192.0.2.30"), Entry: "near"})
	p.health = append(p.health, health.Status{Verdict: health.Unknown, Fresh: true})
	for i, step := range []struct {
		near   health.Verdict
		serves []int
	}{{health.Healthy, []int{0}}, {health.Unhealthy, []int{1}}, {health.Healthy, []int{1}}} {
		p.health[0].Verdict = step.near
		r.rank(&world{}, []*pass{p})
		if got := r.known.tiers(p.subscriber()).Serving(); !slices.Equal(got, step.serves) {
			t.Errorf("step %d: %v serve, want %v", i, got, step.serves)
		}
		p.published = make([]sliceplan.Published, 1)
	}
}

// overtaken are names of which one is answered for, on behalf of somebody else,
// just before it is asked here.
type overtaken struct{ snapshot *dns.Snapshot }

func (o *overtaken) Ensure(health.Subscriber, []dns.Question) { o.snapshot = &dns.Snapshot{} }
func (o *overtaken) Forget(health.Subscriber)                 {}
func (o *overtaken) Lookup(health.Subscriber, dns.Question) *dns.Snapshot {
	return o.snapshot
}

// TestAnswerBeforeTheQuestion: nobody is told of what came before he asked.
func TestAnswerBeforeTheQuestion(t *testing.T) {
	r := &ServiceReconciler{Clock: clock.RealClock{}, Names: &overtaken{}}
	p, w := begun(r), &world{}
	question := dns.Question{Name: "db.example.com", Type: dns.A}
	p.answers = []answer{{question: question, snapshot: r.Names.Lookup(p.subscriber(), question)}}
	if r.ensureAsked(w, p); w.wake == 0 {
		t.Error("there is no pass that sees the answer")
	}
	p.answers[0].snapshot = r.Names.Lookup(p.subscriber(), question)
	r.Names = &settled{r.Names}
	w = &world{}
	if r.ensureAsked(w, p); w.wake != 0 {
		t.Error("there is another pass for nothing")
	}
}

// settled asks for nothing.
type settled struct{ Names }

func (*settled) Ensure(health.Subscriber, []dns.Question) {}

// TestNothingOfWhatIsPublishedIsRemembered: what the next pass does not need is not
// held in memory until then.
func TestNothingOfWhatIsPublishedIsRemembered(t *testing.T) {
	r := &ServiceReconciler{Clock: clock.RealClock{}}
	p := begun(r)
	p.backend.Publishable, p.checks = true, entryChecks{}
	p.published = []sliceplan.Published{{Address: "192.0.2.10", Entry: "near"}}
	p.here = p.published
	p.publishedAt(p.grant.Targets[0].Addr)
	p.publishedOf("near")
	p.lineageBefore = lineage{former: map[target.Target]origin{p.grant.Targets[0]: {}}}
	w := &world{service: &corev1.Service{}, backends: []*v1alpha1.ExternalBackend{p.eb}}
	r.remember(w, []*pass{p}, &sliceplan.Plan{}, applied{})
	last := r.memory.of(w.key)
	if last == nil {
		t.Fatal("nothing is remembered")
	}
	kept := last.passes[0]
	if len(kept.published)+len(kept.here)+len(kept.byAddress)+len(kept.byEntry)+len(kept.lineageBefore.former) > 0 {
		t.Error("what is published is remembered")
	}
}

// TestEventsAboutADeletionAreNoOthers: the recorder takes events of a reason for one
// that relate to the same version.
func TestEventsAboutADeletionAreNoOthers(t *testing.T) {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments-0", UID: "1", ResourceVersion: "5"}}
	done := applied{related: make(map[types.UID]*discoveryv1.EndpointSlice)}
	done.record(t.Context(), "owner", slice, "update", nil)
	updated := referenceTo(t, done.relatedTo("owner"))
	done.record(t.Context(), "owner", slice, "delete", nil)
	if deleted := referenceTo(t, done.relatedTo("owner")); deleted == updated || deleted.UID != "1" {
		t.Errorf("%v relates to the same as %v", deleted, updated)
	}
	if slice.ResourceVersion != "5" {
		t.Error("the slice itself was changed")
	}
}

func referenceTo(t *testing.T, object runtime.Object) corev1.ObjectReference {
	t.Helper()
	ref, err := reference.GetReference(clientgoscheme.Scheme, object)
	if err != nil {
		t.Fatal(err)
	}
	return *ref
}
