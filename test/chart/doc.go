// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart holds the proofs of the Helm chart: that it installs what
// config/default does, what each of its values does and which are refused, and
// that a release comes, changes and goes on a real API server without an accident.
package chart
