// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

// unfoundAfter is how long an instance that is named by its id is waited for: a new
// one may be unknown to some servers of AWS for a while.
const unfoundAfter = 5 * time.Minute

func (f *fleet) subject() string { return "instances in " + f.entry.EC2.Region }

// tell notes what is known of the instances of the entry.
func (f *fleet) tell() {
	source := status.Source{
		Subject: f.subject(), Unit: "addresses", Answered: f.listed() && f.snapshot.Failure == nil, StaleSince: f.staleSince(),
	}
	var problems []string
	note := func(reason, problem string) {
		source.Reason = cmp.Or(source.Reason, reason)
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	f.failure(note)
	if f.listed() {
		f.shortfall(note)
		f.ineffective(note)
	}
	source.Problem = strings.Join(problems, "; ")
	f.p.setSource(f.entry.Name, source)
	f.impairments()
}

func (p *pass) setSource(entry string, source status.Source) {
	if p.sources == nil {
		p.sources = make(map[string]status.Source)
	}
	p.sources[entry] = source
}

// failure tells why nothing can be asked, or why what was asked has failed.
func (f *fleet) failure(note func(reason, problem string)) {
	e := f.entry.EC2
	if f.w.isEarly() {
		note(v1alpha1.ReasonInstancesPending, "")
		return
	}
	identity, known := f.w.identities.Of(e.Identity)
	switch {
	case !f.w.identities.Readable:
		note(v1alpha1.ReasonIdentityNotFound, "AWSIdentities cannot be read by an operator that is limited to namespaces: run one for the whole cluster to target EC2 instances")
	case !known && f.isYoung():
		note(v1alpha1.ReasonInstancesPending, "")
	case !known:
		note(v1alpha1.ReasonIdentityNotFound, fmt.Sprintf("there is no AWSIdentity %q: have an administrator create it, or correct identityRef", e.Identity))
	case identity.Invalid != nil:
		note(v1alpha1.ReasonIdentityNotUsable, fmt.Sprintf("AWSIdentity %q cannot be used: see its status", e.Identity))
	case f.snapshot == nil:
		note(v1alpha1.ReasonInstancesPending, "")
	case f.snapshot.Failure != nil:
		failure := status.AWSFailure{
			Kind: string(f.snapshot.Failure.Kind), Action: f.snapshot.Failure.Action, Code: f.snapshot.Failure.Code, Identity: e.Identity, Region: e.Region,
		}
		reason, text := failure.Explain()
		if f.staleSince().IsZero() {
			text += fmt.Sprintf(" (since %s)", f.snapshot.FailingSince.UTC().Format(time.RFC3339))
		}
		note(reason, text)
	case !f.listed():
		note(v1alpha1.ReasonInstancesPending, "")
	}
}

// youth is how long an AWSIdentity may come after an ExternalBackend that was applied
// together with it.
const youth = 5 * time.Second

// isYoung says whether the ExternalBackend was just made.
func (f *fleet) isYoung() bool {
	age := f.now.Sub(f.p.eb.CreationTimestamp.Time)
	if age.Abs() >= youth { // or the clocks differ by more
		return false
	}
	f.p.ending = true
	f.w.again(min(youth-age, youth))
	return true
}

// staleSince is since when addresses are served by an answer that cannot be had
// again; zero if it can, or there are none.
func (f *fleet) staleSince() time.Time {
	failing := !f.usable && !f.w.isEarly() || f.snapshot != nil && f.snapshot.Failure != nil
	before := f.p.staleBefore(f.entry.Name)
	switch {
	case len(f.found) == 0:
		return time.Time{}
	case failing && f.snapshot != nil && f.listed():
		return f.snapshot.FailingSince
	case failing && !before.IsZero():
		return before
	case failing && f.snapshot != nil:
		return f.snapshot.FailingSince
	case failing:
		return f.now
	case f.listed():
		return time.Time{}
	}
	return before // what was known before the operator started counts until it knows better
}

// shortfall tells which instances get no traffic, and why. What only an edit helps
// comes first.
func (f *fleet) shortfall(note func(reason, problem string)) {
	if len(f.addressless) > 0 {
		note(v1alpha1.ReasonAddressKindMissing, fmt.Sprintf("%s: no %s: give them one, or correct addresses and networkInterface", status.Few(f.addressless, ", "), f.wanted()))
	}
	unfound := f.unfound()
	remaining := unfoundAfter - f.now.Sub(f.snapshot.Listed)
	patient := remaining > 0 && !f.wasUnfound()
	switch {
	case len(unfound) > 0 && !patient:
		note(v1alpha1.ReasonInstanceNotFound, fmt.Sprintf(
			"%s: no such instance in %s with AWSIdentity %q, or it does not match the filters, or the policies of the namespace do not allow it: correct the id",
			status.Few(unfound, ", "), f.entry.EC2.Region, f.entry.EC2.Identity))
	case len(unfound) == 0 && len(f.accepted) == 0:
		note(v1alpha1.ReasonInstanceNotFound, fmt.Sprintf(
			"no instance in %s matches with AWSIdentity %q that the policies of the namespace allow: correct the selector, or start one", f.entry.EC2.Region, f.entry.EC2.Identity))
	}
	if len(f.unserved) > 0 {
		reason := v1alpha1.ReasonInstancesNotRunning
		if f.pending {
			reason = v1alpha1.ReasonInstancesPending
		}
		var texts []string
		for _, id := range slices.Sorted(maps.Keys(f.unserved)) {
			texts = append(texts, fmt.Sprintf("%s (%s)", id, f.unserved[id]))
		}
		note(reason, "without traffic: "+status.Few(texts, ", "))
	}
	if len(unfound) > 0 && patient {
		f.p.ending = true
		f.w.again(remaining)
		note(v1alpha1.ReasonInstancesPending, fmt.Sprintf("%s: not found yet", status.Few(unfound, ", ")))
	}
}

// unfound are the ids that the entry lists and no instance has that it may use.
func (f *fleet) unfound() []string {
	found := make(map[string]bool, len(f.accepted))
	for _, i := range f.accepted {
		found[i.ID] = true
	}
	return slices.DeleteFunc(slices.Sorted(slices.Values(f.entry.EC2.IDs)), func(id string) bool { return found[id] || slices.Contains(f.nodes, id) })
}

// wasUnfound says whether the status has it already that instances were not found,
// from before the operator started.
func (f *fleet) wasUnfound() bool {
	c := meta.FindStatusCondition(f.p.eb.Status.Conditions, v1alpha1.ConditionTargetsResolved)
	return c != nil && c.Reason == v1alpha1.ReasonInstanceNotFound && c.ObservedGeneration == f.p.eb.Generation
}

// wanted is the kind of address that the entry asks for.
func (f *fleet) wanted() string {
	var kinds []string
	switch f.choice.IPv4 {
	case ec2.Private:
		kinds = append(kinds, "private IPv4")
	case ec2.Public:
		kinds = append(kinds, "public IPv4")
	case ec2.None:
	}
	if f.choice.IPv6 != ec2.None {
		kinds = append(kinds, "IPv6")
	}
	at := f.choice.Interface
	where := fmt.Sprintf("with device index %d", at.DeviceIndex)
	switch {
	case at.TagKey != "":
		where = fmt.Sprintf("with the tag %q", at.TagKey)
	case at.SubnetID != "":
		where = "in " + at.SubnetID
	}
	return fmt.Sprintf("%s address on a network interface %s", strings.Join(kinds, " or "), where)
}

// ineffective tells which options of drainOn have no effect with the AWSIdentity.
func (f *fleet) ineffective(note func(reason, problem string)) {
	e := f.entry.EC2
	identity, ok := f.w.identities.Of(e.Identity)
	if !ok {
		return
	}
	here := func(q translate.EventQueue) bool { return q.Region == e.Region }
	if e.DrainOnInterruption && !slices.ContainsFunc(identity.Queues, here) {
		note("", fmt.Sprintf("drainOn has SpotInterruption, and AWSIdentity %q has no queue in %s to hear of it: have an administrator add one, or remove it", e.Identity, e.Region))
	}
	if (e.DrainOnImpaired || e.DrainOnEvent) && !identity.InstanceStatus {
		note("", fmt.Sprintf("drainOn asks for the status of instances, and AWSIdentity %q ignores it: have an administrator set instanceStatus: Observe, or remove it", e.Identity))
	}
}

// impairments tells what AWS says is wrong with instances that run.
func (f *fleet) impairments() {
	e := f.entry.EC2
	for _, i := range f.accepted {
		if i.State != ec2.Running {
			continue
		}
		note := func(reason string, drains bool, text string) {
			f.p.impaired = append(f.p.impaired, status.Impairment{Entry: f.entry.Name, Instance: i.ID, Reason: reason, Text: text, Drains: drains})
		}
		switch {
		case !i.Interrupted.IsZero():
			note(v1alpha1.ReasonSpotInterruption, e.DrainOnInterruption, "AWS is about to reclaim it")
		case e.DrainOnInterruption && f.isWarned(i.ID):
			note(v1alpha1.ReasonSpotInterruption, true, "AWS may be about to reclaim it, since it was draining when the operator started")
		}
		if i.Impaired {
			note(v1alpha1.ReasonStatusImpaired, e.DrainOnImpaired, "status checks say impaired")
		}
		for _, event := range i.Events {
			note(v1alpha1.ReasonScheduledEvent, e.DrainOnEvent, fmt.Sprintf("%s not before %s", event.Code, event.NotBefore.UTC().Format(time.RFC3339)))
		}
	}
}
