// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API of the operator: the resources ExternalBackend
// and ExternalBackendPolicy, their bounds, defaults and validation rules, and
// the condition types and reasons that are reported.
//
// +kubebuilder:object:generate=true
// +groupName=externalbackend.dev
package v1alpha1
