// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e has the end-to-end cases: what clients of a Service see, in a
// whole installation (package lab). They are built with the tag e2e and run by
// `make e2e`. Rules are those of docs/endpointslice-rules.md.
package e2e
