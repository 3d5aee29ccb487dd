// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package admission holds the proofs, on a real API server with the shipped
// installation, of who may do what: what the ValidatingAdmissionPolicies keep
// the operator and its users from, what the shipped roles grant, and what the
// operator's Pod is confined to.
package admission
