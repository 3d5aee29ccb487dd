// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package health defines what one health check is and turns a sequence of
// check results into a verdict.
//
// The vocabulary: a Check is a definition; running it once yields a Result
// (Pass, Fail or Indeterminate, with an enumerated Reason); a State folds
// results over Thresholds into a Verdict; Combine joins the states of all
// checks of one target.
//
//	            one Pass                  Unhealthy x Fail in a row
//	Unknown ──────────────▶ Healthy ─────────────────────────────▶ Unhealthy
//	   │                       ▲                                       │  ▲
//	   │                       └───────────────────────────────────────┘  │
//	   │                            Healthy x Pass in a row               │
//	   └──────────────────────────────────────────────────────────────────┘
//	                        Unhealthy x Fail in a row
//
// Indeterminate says that the checker could not find out. It is no evidence
// about the target and moves nothing.
//
// A TierPolicy decides from the verdicts of all targets which tiers of them serve.
//
// The package is pure: it does no I/O, reads no clock and logs nothing.
package health
