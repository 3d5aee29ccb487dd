// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The sides, by the name that they have in the results.
const (
	sideOurs   = "operator"
	sideTheirs = "kube-controller-manager"
)

// results are all figures of one run.
type results struct {
	Machine    machine
	Go         []goBenchmark
	ColdSize   int
	ColdStarts []coldStart
	Restarts   []restart
	Flips      []*flips
	Names      []nameFlips
	Fleet      fleet
}

// machine says what the figures were taken on.
type machine struct {
	Date                      time.Time
	CPU, Kernel, Go, Revision string
	Cores                     int
	Kubernetes                string
	LoadBefore                string
}

func describeMachine(binaries string) machine {
	return machine{
		Date: time.Now().UTC(), Cores: runtime.NumCPU(), CPU: field("/proc/cpuinfo", "model name"),
		Kernel: "Linux " + output("uname", "-r"), Go: runtime.Version(), Revision: output("git", "describe", "--always", "--dirty"),
		Kubernetes: strings.TrimPrefix(output(binaries+"/kube-apiserver", "--version"), "Kubernetes "),
		LoadBefore: strings.Join(strings.Fields(output("cat", "/proc/loadavg"))[:1], ""),
	}
}

// output returns what a command prints, or that it is not known.
func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// field returns the first value of a key in a file of "key : value" lines.
func field(path, key string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// of returns the flips of a kind and a side at a size; nil if they were not
// measured.
func (r *results) of(endpoints int, kind, side string) *flips {
	i := slices.IndexFunc(r.Flips, func(f *flips) bool {
		return f.Endpoints == endpoints && f.Kind == kind && f.Side == side
	})
	if i < 0 {
		return nil
	}
	return r.Flips[i]
}

// sizes returns the numbers of endpoints at which flips were measured.
func (r *results) sizes() []int {
	var sizes []int
	for _, f := range r.Flips {
		if !slices.Contains(sizes, f.Endpoints) {
			sizes = append(sizes, f.Endpoints)
		}
	}
	slices.Sort(sizes)
	return sizes
}

// percentile returns the value that a share of the values does not exceed: the
// nearest rank.
func percentile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func (f *flips) p50() time.Duration { return percentile(f.Latencies, 0.50) }
func (f *flips) p99() time.Duration { return percentile(f.Latencies, 0.99) }

// perTouched is the number of writes for each slice that holds an address which
// flipped.
func (f *flips) perTouched() float64 { return float64(f.Writes.total()) / float64(f.Touched) }

func (f *flips) cpuPerFlip() time.Duration { return f.CPU / time.Duration(f.count()) }

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
