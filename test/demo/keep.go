// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"externalbackend.dev/operator/test/cluster"
)

// hold keeps everything up until the user interrupts, and says how to connect.
// It returns an error if a component ends meanwhile.
func (d *demo) hold(ctx context.Context, outsidePID string) error {
	// The socket was made outside, so it listens there; what it accepts is
	// carried to the API server inside.
	listener, err := net.FileListener(os.NewFile(keepListenerFD, "keep"))
	if err != nil {
		return fmt.Errorf("listen for kubectl: %w", err)
	}
	defer listener.Close()
	kubeconfig := filepath.Join(d.opts.stateDir, "outside.kubeconfig")
	if err := d.cluster.WriteKubeconfig(kubeconfig, listener.Addr().String(), d.cluster.AdminToken()); err != nil {
		return err
	}
	go forward(listener, cluster.APIServerAddress)

	enter := "nsenter -t " + outsidePID + " -n"
	if d.opts.userns {
		enter = "nsenter -t " + outsidePID + " -U --preserve-credentials -n"
	}
	d.screen.heading("KEEP is set: everything stays up until Ctrl-C. From another shell of the same user:")
	d.screen.print(fmt.Sprintf("  export KUBECONFIG=/proc/%s/root%s\n  %s get externalbackends,endpointslices -A",
		outsidePID, kubeconfig, filepath.Join(d.opts.binDir, "kubectl")))
	for _, addr := range d.clusterIPs {
		d.screen.print(fmt.Sprintf("  %s curl -sw '\\n' 'http://%s'", enter, net.JoinHostPort(addr.String(), servicePort)))
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, errInterrupted) {
		return err
	}
	return nil
}

// forward carries every accepted connection to the address until the listener
// is closed.
func forward(listener net.Listener, address string) {
	for {
		outside, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer outside.Close()
			inside, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			defer inside.Close()
			go func() {
				_, _ = io.Copy(inside, outside)
				_ = inside.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(outside, inside)
		}()
	}
}
