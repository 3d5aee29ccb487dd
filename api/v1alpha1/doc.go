// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API of the operator: the ExternalBackend resource,
// its bounds, defaults and validation rules, and the condition types and
// reasons that it reports.
//
// +kubebuilder:object:generate=true
// +groupName=externalbackend.dev
package v1alpha1
