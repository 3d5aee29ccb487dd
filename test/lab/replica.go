// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/sandbox"
)

// lease is the name of the Lease that the leader holds.
const lease = "controller.externalbackend.dev"

// pollEvery is the pause between two looks at who leads.
const pollEvery = 100 * time.Millisecond

// Replica is one operator of several. It has a host name and a token of its
// own, as a Pod does.
type Replica struct {
	Name string // also its host name and the name of its log

	lab                           *Lab
	kubeconfig, health, namespace string
	process                       *cluster.Process
}

// Start starts the operator's process and waits until it is ready, to lead or to
// stand by.
func (r *Replica) Start(ctx context.Context) error {
	return r.start(ctx, "--leader-elect", "--leader-election-namespace="+r.namespace)
}

// StartAlone starts it without leader election: no other may run.
func (r *Replica) StartAlone(ctx context.Context) error { return r.start(ctx, "--leader-elect=false") }

func (r *Replica) start(ctx context.Context, args ...string) error {
	return sandbox.WithHostname(r.Name, func() (err error) {
		args = append(args, "--dns-servers="+nameServerAddr.String(), "--dns-min-ttl=1s",
			"--ec2-refresh-interval="+instancesRefresh)
		r.process, err = r.lab.Cluster.StartOperator(ctx, r.Name, r.kubeconfig, r.health, args...)
		return err
	})
}

// Stop ends the process as a roll-out does, and returns an error if it does not
// end cleanly.
func (r *Replica) Stop() error {
	if err := r.process.Stop(); err != nil {
		return fmt.Errorf("%s does not end cleanly when told to (SIGTERM): %w", r.Name, err)
	}
	return nil
}

// Kill ends the process as a crash does.
func (r *Replica) Kill() { r.process.Kill() }

// Pause stops the process where it is, as an overloaded machine does.
func (r *Replica) Pause() error { return r.process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (r *Replica) Resume() error { return r.process.Signal(syscall.SIGCONT) }

// Running says whether the process has not ended.
func (r *Replica) Running() bool { return running(r.process) }

func running(p *cluster.Process) bool {
	select {
	case <-p.Done():
		return false
	default:
		return true
	}
}

// Leader returns the replica that holds the Lease, or nil if none does.
func (l *Lab) Leader(ctx context.Context) (*Replica, error) {
	held, err := l.Cluster.Clientset().CoordinationV1().Leases(l.Replicas[0].namespace).Get(ctx, lease, metav1.GetOptions{})
	if err != nil || held.Spec.HolderIdentity == nil {
		return nil, err
	}
	for _, r := range l.Replicas {
		if strings.HasPrefix(*held.Spec.HolderIdentity, r.Name+"_") {
			return r, nil
		}
	}
	return nil, nil
}

// AwaitLeader waits until a replica leads, one other than except (nil for any),
// and returns it.
func (l *Lab) AwaitLeader(ctx context.Context, except *Replica) (*Replica, error) {
	for {
		leader, err := l.Leader(ctx)
		if leader != nil && leader != except {
			return leader, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no other replica of the operator leads: %w", errors.Join(err, context.Cause(ctx)))
		case <-time.After(pollEvery):
		}
	}
}
