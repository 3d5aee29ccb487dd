// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package probe

import "syscall"

const optionsBeforeConnect = false

// setOptions has nothing to set before connecting; linger is set afterwards.
func setOptions(syscall.RawConn) error { return nil }
