// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lab is a whole installation in a sandbox: a control plane with
// kube-controller-manager, kube-proxy and CoreDNS, external hosts, a name server
// and an AWS that know them, a client outside of the cluster, and two replicas of
// the operator, of which one leads, with the rights that config/ gives them.
package lab
