// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// accessDenied is the kind of a failure that a permission would mend.
const accessDenied = "AccessDenied"

// IdentityFacts is what is known about an AWSIdentity.
type IdentityFacts struct {
	Identity *v1alpha1.AWSIdentity
	// Invalid is what of its spec cannot be acted on; nil: nothing.
	Invalid error
	// AccessKeyProblem is why its access key cannot be had, and what to do; empty:
	// it can, or there is none.
	AccessKeyProblem string
	// ExternalID is that of its role; empty if it has none.
	ExternalID string
	// AccountID and ARN are those of the caller; empty while they are not known.
	AccountID, ARN string
	// Asked is true once AWS has answered, or failed to, who the caller is. Failure
	// is why the last attempt failed; nil if it did not.
	Asked   bool
	Failure *AWSFailure
	// Regions are those that somebody wants to have listed, sorted by name.
	Regions []RegionFacts
	// Denied are the IAM actions that an option needs and that are denied, sorted.
	Denied []string
	// Options are why what an option needs fails otherwise, sorted.
	Options []AWSFailure
	// Queues are those that cannot be read, sorted by URL.
	Queues []QueueFacts
	Now    time.Time
}

// RegionFacts is how the listing of a region goes.
type RegionFacts struct {
	Region string
	// Failure is why the last attempt failed, and FailingSince since when none has
	// succeeded; nil and zero if it did.
	Failure      *AWSFailure
	FailingSince time.Time
}

// QueueFacts is why a queue cannot be read.
type QueueFacts struct {
	URL     string
	Failure AWSFailure
}

// IdentityOutcome is what is to be reported of an AWSIdentity.
type IdentityOutcome struct {
	Status v1alpha1.AWSIdentityStatus
	// Transitions are events about conditions, to be sent once the status that
	// has them is stored.
	Transitions []Event
	// Urgent is true when a condition changed or belongs to another generation
	// of the spec, so that the report must not wait.
	Urgent bool
}

// Bounds that the API sets, in rows and bytes.
const (
	maxRegions = 32
	maxAccount = 12
	maxARN     = 2048
)

// ComputeIdentity returns the report about an AWSIdentity, given the one before,
// which facts.Identity has.
func ComputeIdentity(facts IdentityFacts) IdentityOutcome {
	before := &facts.Identity.Status
	next := v1alpha1.AWSIdentityStatus{
		ObservedGeneration: facts.Identity.Generation,
		Conditions:         []metav1.Condition{facts.ready()},
		ExternalID:         facts.ExternalID,
		AccountID:          bounded(facts.AccountID, maxAccount),
		ARN:                bounded(facts.ARN, maxARN),
		Regions:            facts.regionRows(),
	}
	if c := next.Conditions[0]; c.Reason == v1alpha1.ReasonInvalidIdentity {
		next.Conditions = append(next.Conditions, condition(v1alpha1.ConditionStalled, true, c.Reason, c.Message))
	}
	if c, ok := facts.permissions(); ok {
		next.Conditions = append(next.Conditions, c)
	}
	transitions := complete(next.Conditions, before.Conditions, facts.Identity.Generation, facts.Now)
	return IdentityOutcome{
		Status:      next,
		Transitions: identityEvents(transitions),
		Urgent:      len(transitions) > 0 || before.ObservedGeneration != facts.Identity.Generation,
	}
}

// ready says whether instances can be listed with the identity. Queues only make
// that faster, and options tell more about instances, so that one that fails is told
// and no fault.
func (f *IdentityFacts) ready() metav1.Condition {
	const kind = v1alpha1.ConditionReady
	regions, regionsReason := f.failingRegions()
	switch {
	case f.Invalid != nil:
		return condition(kind, false, v1alpha1.ReasonInvalidIdentity, f.Invalid.Error())
	case f.AccessKeyProblem != "":
		return condition(kind, false, v1alpha1.ReasonAccessKeyUnavailable, f.AccessKeyProblem)
	case f.Failure != nil:
		reason, text := f.Failure.explainToOwner()
		return condition(kind, false, reason, text+f.broken())
	case !f.Asked:
		return undecided(kind, v1alpha1.ReasonAuthenticationPending, "AWS has not said yet who the credentials belong to"+f.broken())
	case len(regions) > 0:
		return condition(kind, false, regionsReason,
			plural(len(regions), "region cannot be listed, and what is published stays: ", "regions cannot be listed, and what is published stays: ")+naming(regions)+f.broken())
	}
	return condition(kind, true, v1alpha1.ReasonAuthenticated,
		fmt.Sprintf("AWS accepts the credentials, which belong to the account %s", bounded(f.AccountID, maxAccount))+f.broken())
}

// failingRegions names those that cannot be listed, and has the first one's reason.
func (f *IdentityFacts) failingRegions() (texts []string, reason string) {
	for _, r := range f.Regions {
		if r.Failure == nil {
			continue
		}
		why, text := r.Failure.explainToOwner()
		reason = cmp.Or(reason, why)
		if !r.FailingSince.IsZero() {
			text = fmt.Sprintf("since %s %s", r.FailingSince.UTC().Format(time.RFC3339), text)
		}
		texts = append(texts, text)
	}
	return texts, reason
}

// explainToOwner is Explain for the status of the AWSIdentity itself.
func (f *AWSFailure) explainToOwner() (reason, text string) {
	if f.Kind == "CredentialsUnavailable" {
		return v1alpha1.ReasonAWSCredentialsInvalid, "there are no credentials for " + f.call() +
			": give the operator's ServiceAccount a role (IAM roles for service accounts, EKS Pod Identity), or set spec.accessKeySecret"
	}
	return f.Explain()
}

// broken tells of all that fails beside the listings.
func (f *IdentityFacts) broken() string { return f.brokenOptions() + f.brokenQueues() }

// brokenOptions tells of options that fail for another reason than a permission.
func (f *IdentityFacts) brokenOptions() string {
	var texts []string
	for i := range f.Options {
		_, text := f.Options[i].explainToOwner()
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ""
	}
	return "; " + plural(len(texts), "option fails, and what was known by it stays: ", "options fail, and what was known by them stays: ") + naming(texts)
}

// brokenQueues tells of queues that cannot be read for another reason than a
// permission.
func (f *IdentityFacts) brokenQueues() string {
	var texts []string
	for i := range f.Queues {
		if q := &f.Queues[i]; q.Failure.Kind != accessDenied {
			_, text := q.Failure.explainToOwner()
			texts = append(texts, q.URL+": "+text)
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return "; " + plural(len(texts), "queue cannot be read, so that its events are only noticed with the next listing: ",
		"queues cannot be read, so that their events are only noticed with the next listing: ") + naming(texts)
}

// permissions names the actions that options need and that are denied.
func (f *IdentityFacts) permissions() (metav1.Condition, bool) {
	actions := slices.Clone(f.Denied)
	var queues []string
	for _, q := range f.Queues {
		if q.Failure.Kind == accessDenied {
			actions = append(actions, cmp.Or(q.Failure.Action, "sqs:ReceiveMessage"))
			queues = append(queues, q.URL)
		}
	}
	if len(actions) == 0 {
		return metav1.Condition{}, false
	}
	slices.Sort(actions)
	text := "AWS denies " + strings.Join(slices.Compact(actions), ", ") +
		": allow that in the IAM policy of the role or user, or do without what needs it (spec.instanceStatus, spec.autoScaling, spec.queues, network interfaces by tag); all else goes on"
	if len(queues) > 0 {
		text += "; queues that cannot be read for that: " + naming(queues)
	}
	return condition(v1alpha1.ConditionPermissionsMissing, true, v1alpha1.ReasonPermissionsMissing, text), true
}

func (f *IdentityFacts) regionRows() []v1alpha1.AWSRegionStatus {
	var rows []v1alpha1.AWSRegionStatus
	for _, r := range f.Regions[:min(len(f.Regions), maxRegions)] {
		row := v1alpha1.AWSRegionStatus{Region: r.Region}
		if r.Failure != nil {
			_, text := r.Failure.explainToOwner()
			row.Problem = bounded(text, maxProblem)
		}
		if !r.FailingSince.IsZero() {
			row.StaleSince = &metav1.Time{Time: r.FailingSince.Truncate(time.Second)}
		}
		rows = append(rows, row)
	}
	return rows
}

// identityEvents tells each transition once. That AWS is to be asked, or accepts the
// credentials at once, is no news.
func identityEvents(transitions []transition) []Event {
	var events []Event
	for _, t := range transitions {
		c := t.next
		if c.Type == "" {
			c = ended(t.previous)
		}
		if c.Type == "" || c.Type == v1alpha1.ConditionStalled {
			continue // Ready says the same
		}
		bad := c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionFalse || told[c.Reason]
		if c.Status == metav1.ConditionUnknown || t.previous == nil && !bad {
			continue
		}
		events = append(events, conditionEvent(c, bad))
	}
	return events
}
