// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package api holds the proofs of the API on a real API server: which objects
// are accepted and rejected and with which words, what is defaulted, how large
// an object may be, and what kubectl shows of it.
package api
