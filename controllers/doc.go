// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers keeps the EndpointSlices of every Service that
// ExternalBackends refer to, and their status. It only orchestrates: what to
// do is decided by the pure packages below internal, what is outside is read
// through the interfaces that it declares.
package controllers
