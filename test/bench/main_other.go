// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

// Command bench needs Linux: it reads the CPU clocks of other processes.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "bench: this is %s, and the benchmarks need Linux for the CPU clocks of other processes: "+
		"run them in a Linux virtual machine or container\n", runtime.GOOS)
	os.Exit(2)
}
