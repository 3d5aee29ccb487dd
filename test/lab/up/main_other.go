// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

// Command up needs Linux: it runs in Linux namespaces.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "lab: this is %s, and the lab needs Linux for its network namespaces and nftables: "+
		"run it in a Linux virtual machine or in a privileged Linux container\n", runtime.GOOS)
	os.Exit(2)
}
