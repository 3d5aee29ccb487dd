// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/sandbox"
)

// hold keeps everything up until the user interrupts, and says how to connect.
// It returns an error if a component ends meanwhile.
func (d *demo) hold(ctx context.Context) error {
	// The socket was made outside, so it listens there; what it accepts is
	// carried to the API server inside.
	listener, err := d.box.Door()
	if err != nil {
		return err
	}
	defer listener.Close()
	kubeconfig := filepath.Join(d.box.StateDir, "outside.kubeconfig")
	if err := d.cluster.WriteKubeconfig(kubeconfig, listener.Addr().String(), d.cluster.AdminToken()); err != nil {
		return err
	}
	go sandbox.Forward(listener, cluster.APIServerAddress)

	d.screen.heading("KEEP is set: everything stays up until Ctrl-C. From another shell of the same user:")
	d.screen.print(fmt.Sprintf("  export KUBECONFIG=%s\n  %s get externalbackends,endpointslices -A",
		d.box.FromOutside(kubeconfig), filepath.Join(d.opts.binDir, "kubectl")))
	for _, addr := range d.clusterIPs {
		d.screen.print(fmt.Sprintf("  %s curl -sw '\\n' 'http://%s'", d.box.EnterCommand(nil), addr))
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, errInterrupted) {
		return err
	}
	return nil
}
