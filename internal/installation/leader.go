// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// pollPeriod is how often the Lease is read. It is renewed every 2 s.
	pollPeriod  = time.Second
	seeReplicas = "see why no replica is active: kubectl --namespace %[1]s get pods, and what the log of each says"
)

// leader finds out whether a replica renews the Lease. What it has written last
// says nothing: its clock may differ from this one, and it may have died since.
func (o Options) leader(ctx context.Context) Finding {
	failed := func(what string, args ...any) Finding {
		return Finding{What: fmt.Sprintf(what, args...), Remedy: fmt.Sprintf(seeReplicas, o.Namespace)}
	}
	var first *metav1.MicroTime
	deadline := o.Clock.After(o.Patience)
	for {
		lease := &coordinationv1.Lease{}
		err := o.Client.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: o.Lease}, lease)
		holder := ""
		if err == nil && lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		renewed := lease.Spec.RenewTime
		switch {
		case holder == "" || renewed == nil:
		case first == nil:
			first = renewed
		case !renewed.Equal(first):
			return ok("%s is active: it renews the Lease %s", holder, o.Lease)
		}
		select {
		case <-o.Clock.After(pollPeriod):
			continue
		case <-ctx.Done():
		case <-deadline:
		}
		switch {
		case client.IgnoreNotFound(err) != nil:
			return failed("the Lease %s in namespace %s cannot be read (%v)", o.Lease, o.Namespace, err)
		case err != nil:
			return failed("there is no Lease %s in namespace %s", o.Lease, o.Namespace)
		case holder == "":
			return failed("nobody holds the Lease %s in namespace %s", o.Lease, o.Namespace)
		default:
			return failed("%s holds the Lease %s in namespace %s, and has not renewed it for %s", holder, o.Lease, o.Namespace, o.Patience)
		}
	}
}
