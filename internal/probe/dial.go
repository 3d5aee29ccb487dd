// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// newDial returns a dialer for literal addresses with the socket options of
// health checks. It asks the guard about the address and port that the socket is
// about to connect to, whatever it was called with and whatever the guard said
// before.
//
// It is not net.Dialer.DialTCP, which binds the socket to a local port before
// connecting: a port so bound is not available for other destinations.
func newDial(guard func([]string, netip.AddrPort) error) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{
		KeepAlive: -1,
		ControlContext: func(ctx context.Context, _, address string, c syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("dialling %q: only literal addresses are checked: %w", address, err)
			}
			if err := guard(visitOf(ctx).namespaces, netip.AddrPortFrom(to.Addr().Unmap(), to.Port())); err != nil {
				return fmt.Errorf("%w: %w", errDenied, err)
			}
			return setOptions(c)
		},
	}
	if optionsBeforeConnect {
		return dialer.DialContext
	}
	return resetOnClose(dialer.DialContext)
}

// resetOnClose makes a dialer's connections end with a reset instead of
// lingering in TIME_WAIT.
func resetOnClose(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
			if err := c.SetLinger(0); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		return conn, nil
	}
}
