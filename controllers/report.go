// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
)

const (
	// reportInterval is the least time between two patches of a status in
	// which no condition changed. It is reportShare times what the patch before took
	// if that is more, so that the API server is never busy with one status for more
	// than a hundredth of the time; longestReportInterval bounds it.
	reportInterval        = 5 * time.Second
	reportShare           = 100
	longestReportInterval = 15 * time.Second
	// staleDelay is the time after which a lost race is planned again, if the
	// cache has not woken us before.
	staleDelay = 200 * time.Millisecond
)

// report measures what was done and brings the status of every ExternalBackend
// up to date.
func (r *ServiceReconciler) report(w *world, passes []*pass, done applied, began time.Time) (ctrl.Result, error) {
	var errs []error
	if done.stale {
		w.again(staleDelay)
	}
	for _, p := range passes {
		flips := r.measure(p, done, began)
		facts := r.facts(p, w, flips, done.errorFor(p.eb.UID), r.Clock.Now())
		if w.restoring || done.failed[p.eb.UID] != nil {
			facts.Draining = append(facts.Draining, p.leaving...) // they are still there
		} else {
			facts.Drained = p.drained()
		}
		outcome := status.Compute(p.eb, facts)
		counts := outcome.Status.Targets
		r.Metrics.SetTargets(p.eb.Namespace, p.eb.Name,
			int(counts.Healthy), int(counts.Unhealthy), int(counts.Unknown), int(counts.Draining), int(counts.Disabled), int(counts.Standby))
		r.Metrics.SetStale(p.eb.Namespace, p.eb.Name, p.stale())
		r.Metrics.SetReady(p.eb.Namespace, p.eb.Name, meta.IsStatusConditionTrue(outcome.Status.Conditions, v1alpha1.ConditionReady))
		if len(outcome.Flips) > 0 {
			r.emit(p.eb, done.relatedTo(p.eb.UID), outcome.Flips)
		}
		if w.restoring || isTransient(done.failed[p.eb.UID]) {
			continue // what the status would say is not true before the next write
		}
		if after := r.reportOn(p, outcome); after > 0 {
			w.again(after)
		}
	}
	for owner := range done.failed {
		if err := done.errorFor(owner); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		if w.wake > 0 {
			// A failing neighbour must not put off what others wait for, nor they its
			// next attempt.
			r.wake.addAfter(ctrl.Request{NamespacedName: w.key}, w.wake)
		}
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: w.wake}, nil
}

// measure records how the targets are and how long the flips took, and returns
// the flips of this ExternalBackend. Flips that repair what was published
// before are not timed: no verdict has just changed.
func (r *ServiceReconciler) measure(p *pass, done applied, began time.Time) []sliceplan.Flip {
	var settled time.Time
	if done.failed[p.eb.UID] == nil {
		settled = r.known.settle(p.subscriber(), began)
	}
	var own []sliceplan.Flip
	for _, f := range done.flips {
		if f.Owner == p.eb.UID {
			own = append(own, f)
		}
	}
	for _, f := range own {
		if at := p.healthOf(f.Address).Since; !at.IsZero() && at.After(settled) {
			r.Metrics.FlipPublished(r.Clock.Since(at))
		}
	}
	return own
}

// healthOf returns the health of an address that is served or drains.
func (p *pass) healthOf(address string) health.Status {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return health.Status{}
	}
	if i, ok := p.grantIndex(addr); ok {
		return p.health[i]
	}
	for i := range p.draining {
		if p.draining[i].Addr == addr {
			return p.health[len(p.grant.Targets)+i]
		}
	}
	return health.Status{}
}

func (r *ServiceReconciler) facts(p *pass, w *world, flips []sliceplan.Flip, writeError error, now time.Time) status.Facts {
	facts := status.Facts{
		Backend: &p.backend, ServiceName: w.key.Name, ManagedProblem: w.managed[p.eb.UID],
		Targets: p.grant.Targets, Health: p.health[:len(p.grant.Targets)],
		TellsCode: func(t target.Target) bool { return p.tellsCode(w.scope, t) },
		Rejected:  p.rejected, Pending: p.pending, PendingSince: p.pendingSince, Losses: p.grant.Losses, Excluded: p.excluded,
		Sources: p.sources, Impaired: p.impaired, Standby: p.standby, Portless: p.portless, Foreign: w.foreign,
		Credentials: r.Credentials.Problems(p.subscriber()), Awaiting: p.awaiting, Flips: flips, WriteError: writeError, Now: now,
	}
	facts.Disabled, facts.Drain = p.entriesIn(v1alpha1.TargetDisabled), p.entriesIn(v1alpha1.TargetDrain)
	for _, d := range p.draining {
		facts.Draining = append(facts.Draining, d.Departure)
	}
	if p.yields != nil && p.yields.Compare(p.backend.Owner) < 0 {
		facts.Winner, facts.Targets, facts.Health = p.yields, nil, nil
	}
	if w.service != nil {
		facts.ServiceUID = w.service.UID
	}
	return facts
}

// drained returns the addresses of those that leave whose drain has ended.
func (p *pass) drained() []netip.Addr {
	var list []netip.Addr
	for _, d := range p.leaving {
		if !d.Deadline.IsZero() {
			list = append(list, d.Addr)
		}
	}
	return list
}

func (p *pass) entriesIn(state v1alpha1.TargetState) map[string]bool {
	var names map[string]bool
	for name, entry := range p.entries {
		if entry.State == state {
			if names == nil {
				names = make(map[string]bool)
			}
			names[name] = true
		}
	}
	return names
}

// reportOn has one status patched if it changed, and tells when to come back if
// it is too early for that.
func (r *ServiceReconciler) reportOn(p *pass, outcome status.Outcome) time.Duration {
	if equality.Semantic.DeepEqual(p.eb.Status, outcome.Status) {
		if r.known.withdraw(p.eb) {
			return time.Millisecond
		}
		return 0
	}
	if wait := r.known.nextReport(p.subscriber()).Sub(r.Clock.Now()); wait > 0 && !outcome.Urgent {
		return wait
	}
	next := *p.eb // whose spec is shared
	next.Status = outcome.Status
	if r.known.ask(&reportJob{p.eb, &next, outcome.Transitions}) {
		r.reports.Add(p.subscriber())
	}
	return 0
}

// emit sends events. The recorder takes events for one that differ in their
// message only: what tells them apart is the version of the object that they
// regard, or of the slice that they relate to.
func (r *ServiceReconciler) emit(eb *v1alpha1.ExternalBackend, related runtime.Object, list []status.Event) {
	for _, e := range list {
		r.Events.Eventf(eb, related, e.Type, e.Reason, e.Action, "%s", e.Message)
	}
}

// forgetGone drops everything that is kept for ExternalBackends that were seen
// with this Service and are gone, or only wait for the finalizers of others. One
// that has moved to another Service keeps its health.
func (r *ServiceReconciler) forgetGone(ctx context.Context, w *world, passes []*pass) {
	present := make(map[types.UID]bool, len(passes))
	for _, p := range passes {
		present[p.eb.UID] = true
	}
	for _, sub := range r.known.of(w.key) {
		if present[types.UID(sub.UID)] {
			continue
		}
		var eb v1alpha1.ExternalBackend
		err := r.Client.Get(ctx, types.NamespacedName{Namespace: sub.Namespace, Name: sub.Name}, &eb)
		if err == nil && string(eb.UID) == sub.UID && eb.DeletionTimestamp == nil {
			continue
		}
		if !r.known.forget(w.key, sub) {
			continue
		}
		r.Health.Forget(sub)
		r.Credentials.Forget(sub)
		r.Names.Forget(sub)
		r.Instances.Forget(sub)
		if err != nil || eb.DeletionTimestamp != nil {
			r.Metrics.Forget(sub.Namespace, sub.Name)
		}
	}
}
