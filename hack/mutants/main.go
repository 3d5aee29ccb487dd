// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Command mutants proves that the tests of docs/endpointslice-rules.md can
// fail: it breaks each rule on purpose, one mutation of the code at a time, and
// shows that the test named for it turns red. The tree is never touched; the
// compiler gets the changed file as an overlay.
//
// Arguments limit a run to rules (9) or mutants (headless-label-missing). It
// exits with 1 if a mutant survives, does not apply, does not compile, or if
// its test is red without it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	jobs := flag.Int("jobs", 2, "mutants that are tested at the same time")
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

func run(ctx context.Context, out io.Writer, root string, jobs int, chosen []string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	list, err := load(filepath.Join(root, "hack", "mutants"))
	if err != nil {
		return err
	}
	if list, err = choose(list, chosen); err != nil {
		return err
	}
	for i := range list {
		if _, err := list[i].apply(root); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	begin := time.Now()
	t := &trial{root: root, work: work, jobs: jobs, out: out}
	if err := t.green(ctx, list); err != nil {
		return err
	}
	survived, failed := t.all(ctx, list)
	fmt.Fprintf(out, "%d mutants in %s: %d killed, %d survived, %d could not be tested\n",
		len(list), time.Since(begin).Round(time.Second), len(list)-survived-failed, survived, failed)
	if survived+failed > 0 {
		return errors.New("not all mutants were killed: mend the test that the table names, or the mutation")
	}
	return nil
}
