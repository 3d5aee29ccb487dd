// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package archrules proves that the linter's configuration enforces which
// package may import which, and that the pure packages read no clock. Its tests
// plant violations in a copy of the tree and expect the linter to name them.
// They need the linter, so they run under `make verify-import-rules`.
package archrules
