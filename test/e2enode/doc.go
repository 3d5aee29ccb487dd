// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2enode holds the end-to-end cases of the installation: the operator
// runs from its image on a real node, as its chart and its kustomization install
// it. Build them with the tag e2e; `make e2e-node` does, and runs them.
package e2enode
