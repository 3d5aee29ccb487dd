// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// goBenchmark is one line of what go test -bench prints.
type goBenchmark struct {
	Package string
	Name    string
	// Values by unit, such as ns/op, B/op, allocs/op, and what the benchmark
	// reports itself.
	Values map[string]float64
}

// runGoBenchmarks runs the benchmarks of the packages below internal, showing
// what they print.
func runGoBenchmarks(ctx context.Context, show io.Writer) ([]goBenchmark, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=.", "-benchmem", "./internal/...")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&output, show), os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go test -bench: %w", err)
	}
	return parseGoBenchmarks(&output)
}

// parseGoBenchmarks reads the text format of Go benchmarks.
func parseGoBenchmarks(output io.Reader) ([]goBenchmark, error) {
	var list []goBenchmark
	var pkg string
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 2 && fields[0] == "pkg:" {
			pkg = fields[1]
		}
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		b := goBenchmark{Package: pkg, Name: withoutProcs(strings.TrimPrefix(fields[0], "Benchmark")), Values: map[string]float64{}}
		for i := 2; i < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read %q: %w", lines.Text(), err)
			}
			b.Values[fields[i+1]] = value
		}
		list = append(list, b)
	}
	return list, lines.Err()
}

// withoutProcs drops the -GOMAXPROCS at the end of a name.
func withoutProcs(name string) string {
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			return name[:i]
		}
	}
	return name
}
