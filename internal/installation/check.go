// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package installation finds out, from inside the cluster and with the account of
// the operator, whether everything is there that the operator needs: what the API
// server serves, what the account may do, and that one replica is at work. It asks
// the API server alone, and changes nothing.
package installation

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options say what is installed and how to ask.
type Options struct {
	// Client acts as the operator does. Its scheme has the types of Kubernetes.
	Client client.Client
	// Discovery asks the same API server what it serves.
	Discovery discovery.DiscoveryInterface
	// Clock is what waiting goes by.
	Clock clock.Clock
	// Namespace is where the operator runs.
	Namespace string
	// Namespaces are those that it works in, all if empty.
	Namespaces []string
	// Metrics says whether it serves metrics.
	Metrics bool
	// Lease is the name of the Lease of the active replica, empty without leader
	// election.
	Lease string
	// Patience is how long a replica may take to become active or to renew the
	// Lease.
	Patience time.Duration
}

// Finding is what one look has found.
type Finding struct {
	// OK is false if the operator cannot work like this.
	OK bool
	// What was found, in a line.
	What string
	// Remedy is what to do about it, if not OK.
	Remedy string
}

// String returns the finding as a line.
func (f Finding) String() string {
	if f.OK {
		return "ok    " + f.What
	}
	return "FAIL  " + f.What + ": " + f.Remedy
}

func ok(format string, args ...any) Finding {
	return Finding{OK: true, What: fmt.Sprintf(format, args...)}
}

// Check looks at everything, in the order in which it is to be mended. Where the
// API server does not answer, that is all it finds.
func Check(ctx context.Context, o Options) []Finding {
	account, server := o.server(ctx)
	findings := []Finding{server}
	if !server.OK {
		return findings
	}
	findings = append(findings, o.kinds()...)
	findings = append(findings, o.permissions(ctx, account)...)
	if o.Lease != "" {
		findings = append(findings, o.leader(ctx))
	}
	return findings
}

// server finds out who the API server takes this account for.
func (o Options) server(ctx context.Context) (account string, _ Finding) {
	unknown := func(server string, err error) Finding {
		return Finding{
			What:   fmt.Sprintf("the API server%s does not know who asks (%v)", server, err),
			Remedy: "see that the Pod has the token of its ServiceAccount (automountServiceAccountToken: true), and outside a cluster that --kubeconfig has credentials that are valid",
		}
	}
	version, err := o.Discovery.ServerVersion()
	if apierrors.IsUnauthorized(err) {
		return "", unknown("", err)
	}
	if err != nil {
		return "", Finding{
			What:   fmt.Sprintf("the API server does not answer (%v)", err),
			Remedy: "see that a NetworkPolicy lets the operator's Pods out to it, and outside a cluster that --kubeconfig names the right one",
		}
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := o.Client.Create(ctx, review); err != nil {
		return "", unknown(" "+version.GitVersion, err)
	}
	account = review.Status.UserInfo.Username
	return account, ok("the API server %s answers, and knows this account as %s", version.GitVersion, account)
}
