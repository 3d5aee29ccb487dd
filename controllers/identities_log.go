// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/translate"
)

// awsCall is what AWS is asked for an identity: about the caller, or in a region or
// for a queue.
type awsCall struct {
	region, queue string
	// option is the action of an option; if it is denied, it is so in any region.
	option string
}

// log logs how asking AWS fails, with the details that no status has, once for each
// failure that is another one than before. What has an end is logged as well.
func (c *IdentityController) log(ctx context.Context, k *keptIdentity) {
	said, ok := c.Instances.Identity(k.known.Name)
	if !ok || k.given == nil || k.given.Unusable {
		return // nothing is asked, and the status says why
	}
	log := logf.FromContext(ctx).WithValues("identity", k.known.Name)
	failing := failuresOf(&said)
	for call, f := range failing {
		if before := k.failing[call]; before != nil && before.Kind == f.Kind && before.Action == f.Action && before.Code == f.Code {
			continue
		}
		details := append(call.values(k.known), "action", f.Action, "kind", f.Kind, "code", f.Code)
		log.Error(f.Err, "Failed to ask AWS, trying again", details...)
	}
	for call, before := range k.failing {
		if failing[call] == nil {
			log.Info("AWS does not fail any more", append(call.values(k.known), "action", before.Action)...)
		}
	}
	k.failing = failing
}

// values name the call in a log. The region of the identity is where its caller is
// asked for.
func (a awsCall) values(known *KnownIdentity) []any {
	switch {
	case a.queue != "":
		return []any{"queue", a.queue, "region", queueRegion(known, a.queue)}
	case a.region != "":
		return []any{"region", a.region}
	case a.option != "":
		return nil
	}
	return []any{"region", ownRegion(known)}
}

// failuresOf are the calls that fail.
func failuresOf(said *ec2.IdentityReport) map[awsCall]*ec2.Failure {
	failing := make(map[awsCall]*ec2.Failure)
	if said.Failure != nil {
		failing[awsCall{}] = said.Failure
	}
	for _, r := range said.Regions {
		if r.Failure != nil {
			failing[awsCall{region: r.Region}] = r.Failure
		}
	}
	for _, q := range said.Queues {
		if q.Failure != nil {
			failing[awsCall{queue: q.URL}] = q.Failure
		}
	}
	for _, o := range said.Failing {
		if o.Failure != nil {
			failing[awsCall{region: o.Region, option: o.Action}] = o.Failure
		}
	}
	for _, action := range said.Denied {
		failing[awsCall{option: action}] = &ec2.Failure{Kind: ec2.AccessDenied, Action: action}
	}
	return failing
}

// queueRegion is that of a queue of an identity; empty if it has none of that URL.
func queueRegion(known *KnownIdentity, url string) string {
	at := slices.IndexFunc(known.Queues, func(q translate.EventQueue) bool { return q.URL == url })
	if at < 0 {
		return ""
	}
	return known.Queues[at].Region
}
