// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rack is the world outside of the cluster, in a sandbox: a network
// segment, and hosts on it that serve and that fail in every way hosts do.
package rack
