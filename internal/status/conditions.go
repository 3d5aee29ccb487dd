// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// maxMessage bounds the message of a condition, in bytes.
const maxMessage = 2048

type transition struct {
	previous *metav1.Condition
	next     metav1.Condition
}

// wantedConditions returns all conditions without their times.
func wantedConditions(facts Facts, counts v1alpha1.TargetCounts) []metav1.Condition {
	wanted := []metav1.Condition{
		accepted(facts), serviceResolved(facts), servedOrLost(facts), published(facts, counts), healthy(facts, counts),
	}
	wanted = append(wanted, ready(wanted[:4]))
	if stalled, ok := stalledBy(wanted); ok {
		wanted = append(wanted, stalled)
	}
	if len(facts.Foreign) > 0 {
		wanted = append(wanted, conflict(facts))
	}
	if len(facts.Pending) > 0 {
		wanted = append(wanted, denyPending(facts))
	}
	if len(facts.Credentials) > 0 {
		wanted = append(wanted, credentialsUnavailable(facts.Credentials))
	}
	if c, ok := stale(facts); ok {
		wanted = append(wanted, c)
	}
	if len(facts.Impaired) > 0 {
		wanted = append(wanted, impaired(facts))
	}
	return wanted
}

// complete gives conditions that are wanted now their generation and times, and
// returns those whose status, reason or time is another than before.
func complete(wanted, before []metav1.Condition, generation int64, now time.Time) []transition {
	var transitions []transition
	for i := range wanted {
		c := &wanted[i]
		c.ObservedGeneration = generation
		c.Message = bounded(c.Message, maxMessage)
		previous := meta.FindStatusCondition(before, c.Type)
		if previous != nil && previous.Reason == v1alpha1.ReasonPending {
			previous = nil // the API server's default, which nobody has found out
		}
		switch {
		case !c.LastTransitionTime.IsZero():
		case previous != nil && previous.Status == c.Status:
			c.LastTransitionTime = previous.LastTransitionTime
		default:
			c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
		}
		if previous == nil || previous.Status != c.Status || previous.Reason != c.Reason || !previous.LastTransitionTime.Equal(&c.LastTransitionTime) {
			transitions = append(transitions, transition{previous, *c})
		}
	}
	for i := range before {
		if p := &before[i]; meta.FindStatusCondition(wanted, p.Type) == nil {
			transitions = append(transitions, transition{previous: p})
		}
	}
	return transitions
}

func condition(kind string, ok bool, reason, message string) metav1.Condition {
	c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message}
	if ok {
		c.Status = metav1.ConditionTrue
	}
	return c
}

func undecided(kind, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

func accepted(facts Facts) metav1.Condition {
	if p := facts.Backend.SpecProblem; p != nil {
		return condition(v1alpha1.ConditionAccepted, false, p.Reason, p.Message)
	}
	if len(facts.Rejected) == 0 {
		message := "the whole spec can be acted on"
		if facts.Backend.Lengthened {
			message += fmt.Sprintf("; checks are made every %s, since the ExternalBackendPolicies of the namespace allow no shorter interval", facts.Backend.Timing.Interval)
		}
		return condition(v1alpha1.ConditionAccepted, true, v1alpha1.ReasonAccepted, message)
	}
	reason, culprits := rejections(facts.Rejected)
	return condition(v1alpha1.ConditionAccepted, false, reason,
		plural(len(culprits), "address is left out, all others are served: ", "addresses are left out, all others are served: ")+naming(culprits))
}

// gravest first.
var gravest = []string{
	v1alpha1.ReasonAddressDenied, v1alpha1.ReasonNameDenied, v1alpha1.ReasonPolicyDenied, v1alpha1.ReasonIdentityNotAllowed, v1alpha1.ReasonNoPolicy,
	v1alpha1.ReasonLimitExceeded, v1alpha1.ReasonInvalidSpec,
}

// rejections returns the gravest reason, and all culprits.
func rejections(list []Rejection) (reason string, culprits []string) {
	rank := len(gravest) - 1
	for _, r := range list {
		if i := slices.Index(gravest, r.Reason); i >= 0 {
			rank = min(rank, i)
		}
		culprits = append(culprits, fmt.Sprintf("target %q: %s", r.Entry, r.Err))
	}
	return gravest[rank], culprits
}

// denyPending tells what is about to be taken out. Its time is that of the last
// network: another operator that takes over reads there how long to spare what it denies.
func denyPending(facts Facts) metav1.Condition {
	_, culprits := rejections(facts.Pending)
	c := condition(v1alpha1.ConditionDenyPending, true, v1alpha1.ReasonClusterNetworksChanged,
		plural(len(culprits), "published address is about to be taken out. ", "published addresses are about to be taken out. ")+
			"If the network is a mistake, correct it at the Node, the ServiceCIDR or wherever it comes from before that; else remove the addresses: "+naming(culprits))
	c.LastTransitionTime = metav1.NewTime(facts.PendingSince)
	return c
}

// serviceResolved is False also if a managed Service is not as it should be. A
// Service that could not be created is missing for that reason.
func serviceResolved(facts Facts) metav1.Condition {
	problem, managed := facts.Backend.ServiceProblem, facts.ManagedProblem
	if problem == nil || managed != nil && problem.Reason == v1alpha1.ReasonServiceNotFound {
		problem = managed
	}
	if problem != nil {
		return condition(v1alpha1.ConditionServiceResolved, false, problem.Reason, problem.Message)
	}
	if w := facts.Backend.ServiceWarning; w != nil {
		return condition(v1alpha1.ConditionServiceResolved, true, w.Reason, w.Message)
	}
	return condition(v1alpha1.ConditionServiceResolved, true, v1alpha1.ReasonServiceResolved,
		fmt.Sprintf("Service %q has every port that is named", facts.ServiceName))
}

func published(facts Facts, c v1alpha1.TargetCounts) metav1.Condition {
	switch {
	case facts.WriteError != nil:
		return condition(v1alpha1.ConditionPublished, false, v1alpha1.ReasonWriteFailed,
			"the EndpointSlices could not be written and will be tried again: "+facts.WriteError.Error())
	case !facts.Backend.Publishable:
		return condition(v1alpha1.ConditionPublished, false, v1alpha1.ReasonNotPublishable,
			"no address is added until the Service can be served: see the condition ServiceResolved")
	case facts.Awaiting:
		return undecided(v1alpha1.ConditionPublished, v1alpha1.ReasonAwaitingFirstChecks, fmt.Sprintf(
			"%d of %d addresses have no verdict yet: the first EndpointSlices are written when all have one, at the latest after one round of checks",
			c.Unknown, c.Total-c.Disabled-c.Draining))
	}
	return condition(v1alpha1.ConditionPublished, true, v1alpha1.ReasonPublished, "the EndpointSlices are up to date")
}

// ready sums up: an outage of targets is no reason to hold up a roll-out, so
// the condition Healthy has no part in it.
func ready(parts []metav1.Condition) metav1.Condition {
	for _, c := range parts {
		if c.Status != metav1.ConditionTrue {
			return condition(v1alpha1.ConditionReady, false, c.Reason, c.Message)
		}
	}
	return condition(v1alpha1.ConditionReady, true, v1alpha1.ReasonReady, "everything is published as specified")
}
