// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Command mutants proves that the tests of docs/endpointslice-rules.md can
// fail: it breaks each rule on purpose, one mutation of the code at a time, and
// shows that the tests named for it turn red. The tree is never touched; the
// compiler gets the changed file as an overlay.
//
// Arguments limit a run to rules (9) or mutants (headless-label-missing), and to
// packages of tests (controllers). It exits with 1 if a mutant survives one of
// its tests, does not apply, does not compile, or if a test is red without it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	jobs := flag.Int("jobs", 2, "mutants that are tested at the same time; those that take an installation are tested one by one")
	root := flag.String("root", ".", "folder of the module")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *root, *jobs, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, root string, jobs int, names []string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	list, err := load(filepath.Join(root, "hack", "mutants"))
	if err != nil {
		return err
	}
	chosen, err := choose(trials(list), names)
	if err != nil {
		return err
	}
	for i := range chosen {
		if _, err := chosen[i].apply(root); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	begin := time.Now()
	l := &laboratory{root: root, work: work, jobs: jobs, out: out}
	wrong := l.green(ctx, chosen)
	return summarize(out, chosen, l.try(ctx, chosen, wrong), time.Since(begin))
}
