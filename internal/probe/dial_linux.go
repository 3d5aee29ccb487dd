// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"os"
	"syscall"
)

const optionsBeforeConnect = true

// setOptions prepares a socket before it connects. Linger 0 makes closing it a
// reset, which leaves nothing in TIME_WAIT. Without quick acknowledgement the
// third packet of the TCP handshake waits for data, so that a check that only
// connects sends SYN and RST: most servers never learn of it, and do not count
// it as an aborted client.
func setOptions(c syscall.RawConn) error {
	var failure error
	err := c.Control(func(fd uintptr) {
		failure = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: 0})
		if failure == nil {
			failure = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 0)
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", failure)
}
