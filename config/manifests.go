// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config holds the manifests that the operator is installed with, so that
// the operator knows what it must have been granted.
package config

import "embed"

// Manifests are the folders rbac and namespaced: what the operator may do in the
// whole cluster, and what in some namespaces. They are read-only.
//
//go:embed rbac namespaced
var Manifests embed.FS
