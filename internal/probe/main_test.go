// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package probe

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if server := os.Getenv(serverVariable); server != "" {
		beServer(server)
		return
	}
	goleak.VerifyTestMain(m)
}
