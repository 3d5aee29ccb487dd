// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sandbox runs a program once more, as the first process of Linux
// namespaces of its own, in which it may set up networks, mounts and processes
// as it likes. Nothing is left of them when that process ends, however it ends:
// all processes are in a PID namespace that dies with it, network namespaces
// and their links die with the processes, and all files are on a tmpfs in a
// mount namespace. Root is needed, or user namespaces.
package sandbox
