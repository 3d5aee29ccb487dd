// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package monitoring proves that the alerts, their runbooks and the dashboard fit
// each other and the metrics that the operator serves. What needs promtool runs
// under `make verify-alerts`.
package monitoring
