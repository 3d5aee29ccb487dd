// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
)

const (
	// reportInterval is the least time between two patches of a status in
	// which no condition changed.
	reportInterval = 5 * time.Second
	// staleDelay is the time after which a lost race is planned again, if the
	// cache has not woken us before.
	staleDelay = 200 * time.Millisecond
	// reportDelay is the time after which a report is tried again for which there
	// was no room.
	reportDelay = 250 * time.Millisecond
)

// report measures what was done and brings the status of every ExternalBackend
// up to date.
func (r *ServiceReconciler) report(ctx context.Context, w *world, passes []*pass, done applied, began time.Time) (ctrl.Result, error) {
	var errs []error
	if done.stale {
		w.again(staleDelay)
	}
	for _, p := range passes {
		flips := r.measure(p, done, began)
		outcome := status.Compute(p.eb, p.facts(w, flips, done.errorFor(p.eb.UID), r.Clock.Now()))
		counts := outcome.Status.Targets
		r.Metrics.SetTargets(p.eb.Namespace, p.eb.Name,
			int(counts.Healthy), int(counts.Unhealthy), int(counts.Unknown), int(counts.Draining), int(counts.Disabled))
		if len(outcome.Flips) > 0 {
			r.emit(p.eb, done.relatedTo(flips), outcome.Flips)
		}
		after, err := r.reportOn(ctx, p, outcome)
		if after > 0 {
			w.again(after)
		}
		errs = append(errs, err)
	}
	for owner := range done.failed {
		if err := done.errorFor(owner); err != nil {
			errs = append(errs, err)
		}
	}
	result := ctrl.Result{RequeueAfter: w.wake}
	err := errors.Join(errs...)
	if err != nil && w.wake > 0 {
		// A failing neighbour must not put off what others wait for.
		logf.FromContext(ctx).Error(err, "Failed to do everything, trying again", "after", w.wake)
		return result, nil
	}
	return result, err
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
	since := make(map[string]time.Time, len(own))
	if len(own) > 0 {
		for i := range p.health {
			since[p.addressOf(i)] = p.health[i].Since
		}
	}
	for _, f := range own {
		if at := since[f.Address]; !at.IsZero() && at.After(settled) {
			r.Metrics.FlipPublished(r.Clock.Since(at))
		}
	}
	return own
}

// addressOf returns the address of the i-th element of health.
func (p *pass) addressOf(i int) string {
	if i < len(p.grant.Targets) {
		return p.grant.Targets[i].Addr.String()
	}
	return p.draining[i-len(p.grant.Targets)].Addr.String()
}

func (p *pass) facts(w *world, flips []sliceplan.Flip, writeError error, now time.Time) status.Facts {
	facts := status.Facts{
		Backend: &p.backend, ServiceName: w.key.Name, ManagedProblem: w.managed[p.eb.UID],
		Targets: p.grant.Targets, Health: p.health[:len(p.grant.Targets)],
		Rejected: p.rejected, Losses: p.grant.Losses, Excluded: p.excluded, Foreign: w.foreign,
		Awaiting: p.awaiting,
		Flips:    flips, WriteError: writeError, Now: now,
	}
	facts.Disabled, facts.Drain = p.entriesIn(v1alpha1.TargetDisabled), p.entriesIn(v1alpha1.TargetDrain)
	if writeError == nil {
		facts.Drained = p.drained
	}
	for _, d := range p.draining {
		facts.Draining = append(facts.Draining, d.Departure)
	}
	if w.service != nil {
		facts.ServiceUID = w.service.UID
	}
	return facts
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

// reportOn patches one status if it changed, and tells when to come back if it
// is too early for that.
func (r *ServiceReconciler) reportOn(ctx context.Context, p *pass, outcome status.Outcome) (time.Duration, error) {
	if equality.Semantic.DeepEqual(p.eb.Status, outcome.Status) {
		return 0, nil
	}
	now := r.Clock.Now()
	if wait := reportInterval - now.Sub(r.known.lastReport(p.subscriber())); wait > 0 && !outcome.Urgent {
		return wait, nil
	}
	next := p.eb.DeepCopy()
	next.Status = outcome.Status
	if !r.Reports.TryAccept() {
		return reportDelay, nil
	}
	err := r.Client.Status().Patch(ctx, next, client.MergeFromWithOptions(p.eb, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		// The cache is behind; what it still has to tell wakes us, too.
		return staleDelay, nil
	case apierrors.IsNotFound(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("patching the status of ExternalBackend %s/%s: %w", p.eb.Namespace, p.eb.Name, err)
	}
	r.known.reported(p.subscriber(), next, now)
	r.emit(next, nil, outcome.Transitions)
	return 0, nil
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
// with this Service and do not exist any more. One that has moved to another
// Service keeps its health.
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
		if err == nil && string(eb.UID) == sub.UID {
			continue
		}
		r.Health.Forget(sub)
		if err != nil {
			r.Metrics.Forget(sub.Namespace, sub.Name)
		}
		r.known.remove(sub)
	}
}
