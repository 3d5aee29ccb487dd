// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package conformance holds the adapter to AWS, the fake of this project and moto
// server against one another: the same cases run in both worlds. Where moto does
// otherwise than AWS, one list says how, and each entry is tried, so that it goes
// when the difference does.
package conformance
