// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package probe

import "math"

// openFilesLimit: systems other than Unix have none that matters here.
func openFilesLimit() int { return math.MaxInt32 }
