// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/status"
)

// +kubebuilder:rbac:groups=externalbackend.dev,resources=awsidentities/status,verbs=patch

// report brings the status of an identity up to date, and returns after what time to
// do so if it is too early for that, or failed; zero: it is up to date.
func (c *IdentityController) report(ctx context.Context, k *keptIdentity, problem string) time.Duration {
	identity := &v1alpha1.AWSIdentity{}
	if err := c.Client.Get(ctx, client.ObjectKey{Name: k.known.Name}, identity); err != nil {
		return 0 // it is gone, which the book is about to say
	}
	if k.stored != nil && newer(k.stored, identity) {
		identity = k.stored // the cache is behind
	}
	if identity.UID != k.known.uid || !equality.Semantic.DeepEqual(&identity.Spec, k.known.spec) {
		return 0 // the book is about to say the same
	}
	facts := c.facts(identity, k.known, problem)
	if undecided(&facts) && saidBefore(identity) {
		return 0 // what AWS said before a restart holds until it says something else
	}
	outcome := status.ComputeIdentity(facts)
	if equality.Semantic.DeepEqual(identity.Status, outcome.Status) {
		return 0
	}
	if wait := k.next.Sub(c.Clock.Now()); wait > 0 && !outcome.Urgent {
		return wait
	}
	return c.patch(ctx, k, identity, outcome)
}

// patch stores the status of an identity, and returns after what time to try again
// if that failed; zero: it did not.
func (c *IdentityController) patch(ctx context.Context, k *keptIdentity, identity *v1alpha1.AWSIdentity, outcome status.IdentityOutcome) time.Duration {
	asking, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	next := identity.DeepCopy()
	next.Status = outcome.Status
	err := c.Client.Status().Patch(asking, next, client.MergeFromWithOptions(identity, client.MergeFromWithOptimisticLock{}))
	switch {
	case err == nil:
		k.stored, k.next = next, c.Clock.Now().Add(reportInterval)
		for _, e := range outcome.Transitions {
			c.Events.Eventf(next, nil, e.Type, e.Reason, e.Action, "%s", e.Message)
		}
		return 0
	case apierrors.IsConflict(err):
		return staleDelay // the cache is behind
	case apierrors.IsNotFound(err), ctx.Err() != nil:
		return 0
	}
	logf.FromContext(ctx).Error(err, "Failed to patch the status of an AWSIdentity, trying again", "name", identity.Name, "after", reportRetry)
	return reportRetry
}

// facts are what is known about an identity.
func (c *IdentityController) facts(identity *v1alpha1.AWSIdentity, known *KnownIdentity, problem string) status.IdentityFacts {
	facts := status.IdentityFacts{
		Identity: identity, Invalid: known.Invalid, AccessKeyProblem: problem, ExternalID: known.ExternalID, Now: c.Clock.Now(),
	}
	said, ok := c.Instances.Identity(known.Name)
	if !ok {
		return facts
	}
	facts.AccountID, facts.ARN = said.Caller.AccountID, said.Caller.ARN
	facts.Asked = said.Failure != nil || said.Caller != ec2.Caller{}
	facts.Failure = awsFailure(said.Failure, known.Name, ownRegion(known))
	for _, region := range said.Regions {
		facts.Regions = append(facts.Regions, status.RegionFacts{
			Region: region.Region, Failure: awsFailure(region.Failure, known.Name, region.Region), FailingSince: region.FailingSince,
		})
	}
	facts.Denied = said.Denied
	for _, option := range said.Failing {
		if failure := awsFailure(option.Failure, known.Name, option.Region); failure != nil {
			facts.Options = append(facts.Options, *failure)
		}
	}
	for _, queue := range said.Queues {
		if failure := awsFailure(queue.Failure, known.Name, queueRegion(known, queue.URL)); failure != nil {
			facts.Queues = append(facts.Queues, status.QueueFacts{URL: queue.URL, Failure: *failure})
		}
	}
	return facts
}

// undecided says whether AWS has said nothing to an identity yet that it is asked
// with.
func undecided(facts *status.IdentityFacts) bool {
	return !facts.Asked && facts.Invalid == nil && facts.AccessKeyProblem == ""
}

// saidBefore says whether the status of an identity is what AWS said to it as it is.
func saidBefore(identity *v1alpha1.AWSIdentity) bool {
	ready := meta.FindStatusCondition(identity.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.ObservedGeneration == identity.Generation &&
		ready.Reason != v1alpha1.ReasonInvalidIdentity && ready.Reason != v1alpha1.ReasonAccessKeyUnavailable
}

// awsFailure returns why AWS was not asked with success; nil if it was.
func awsFailure(failure *ec2.Failure, identity, region string) *status.AWSFailure {
	if failure == nil {
		return nil
	}
	return &status.AWSFailure{Kind: string(failure.Kind), Action: failure.Action, Code: failure.Code, Identity: identity, Region: region}
}
