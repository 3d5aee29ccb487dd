// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// trial runs tests against mutants.
type trial struct {
	root string // folder of the module
	work string // folder for files that come and go
	jobs int
	out  io.Writer
}

// green runs the tests that mutants name on the code as it is, each once. All
// of them must be there and pass.
func (t *trial) green(ctx context.Context, list []mutant) error {
	packages := make(map[string][]test)
	var order []string
	for i := range list {
		named := list[i].test()
		if packages[named.pkg()] == nil {
			order = append(order, named.pkg())
		}
		if !slices.Contains(packages[named.pkg()], named) {
			packages[named.pkg()] = append(packages[named.pkg()], named)
		}
	}
	errs := make([]error, len(order))
	t.parallel(len(order), func(i int) {
		begin := time.Now()
		errs[i] = t.greenPackage(ctx, order[i], packages[order[i]])
		if errs[i] == nil {
			fmt.Fprintf(t.out, "green without mutants: %-40s %3d tests %6.1f s\n", order[i], len(packages[order[i]]), time.Since(begin).Seconds())
		}
	})
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("tests of %s, without any mutant: %w", order[i], err)
		}
	}
	return nil
}

func (t *trial) greenPackage(ctx context.Context, pkg string, tests []test) error {
	folder, err := os.MkdirTemp(t.work, "green-")
	if err != nil {
		return err
	}
	s, err := t.compile(ctx, pkg, "", folder)
	if err != nil {
		return err
	}
	verdicts, log, err := t.execute(ctx, s, tests)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(log))
	}
	var missed, red []string
	for _, named := range tests {
		switch verdicts[named] {
		case missing:
			missed = append(missed, named.String())
		case failed:
			red = append(red, named.String())
		case passed:
		}
	}
	switch {
	case len(missed) > 0:
		return fmt.Errorf("there is no such test as %s", strings.Join(missed, ", nor "))
	case len(red) > 0:
		return fmt.Errorf("red: %s\n%s", strings.Join(red, "; "), tail(log))
	}
	return nil
}

// all tests every mutant and prints a row for each, in their order.
func (t *trial) all(ctx context.Context, list []mutant) (survivors, failures int) {
	rows := make([]chan func(), len(list))
	for i := range rows {
		rows[i] = make(chan func(), 1)
	}
	go t.parallel(len(list), func(i int) {
		begin := time.Now()
		killed, err := t.one(ctx, &list[i])
		took := time.Since(begin)
		rows[i] <- func() {
			result := "killed"
			switch {
			case err != nil:
				result = "ERROR"
				failures++
			case !killed:
				result = "SURVIVED"
				survivors++
			}
			fmt.Fprintf(t.out, "%4d  %-44s %-8s %6.1f  %s\n", list[i].Rule, list[i].ID, result, took.Seconds(), list[i].test())
			switch {
			case err != nil:
				fmt.Fprintf(t.out, "      %s\n", strings.ReplaceAll(err.Error(), "\n", "\n      "))
			case !killed:
				fmt.Fprintf(t.out, "      no test notices: %s\n", list[i].Breaks)
			}
		}
	})
	fmt.Fprintf(t.out, "%4s  %-44s %-8s %6s  %s\n", "rule", "mutant", "result", "s", "test")
	for _, row := range rows {
		(<-row)()
	}
	return survivors, failures
}

// one says whether the test of a mutant turns red.
func (t *trial) one(ctx context.Context, m *mutant) (bool, error) {
	folder, err := os.MkdirTemp(t.work, "mutant-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(folder)
	overlay, err := t.overlay(m, folder)
	if err != nil {
		return false, err
	}
	named := m.test()
	s, err := t.compile(ctx, named.pkg(), overlay, folder)
	if err != nil {
		return false, err
	}
	verdicts, log, err := t.execute(ctx, s, []test{named})
	switch {
	case err != nil:
		return false, fmt.Errorf("%w\n%s", err, tail(log))
	case verdicts[named] == missing:
		return false, fmt.Errorf("the test did not come to an end:\n%s", tail(log))
	}
	return verdicts[named] == failed, nil
}

// overlay writes the mutated file and the description that the compiler wants.
func (t *trial) overlay(m *mutant, folder string) (string, error) {
	text, err := m.apply(t.root)
	if err != nil {
		return "", err
	}
	mutated := filepath.Join(folder, "mutated.go")
	if err := os.WriteFile(mutated, text, 0o600); err != nil {
		return "", err
	}
	description, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(t.root, m.File): mutated},
	})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, description, 0o600)
}

// parallel calls do for 0 to n-1, jobs of them at a time.
func (t *trial) parallel(n int, do func(i int)) {
	tokens := make(chan struct{}, t.jobs)
	var wait sync.WaitGroup
	for i := range n {
		tokens <- struct{}{}
		wait.Go(func() {
			defer func() { <-tokens }()
			do(i)
		})
	}
	wait.Wait()
}

// tail is as much of a log as one wants to read.
func tail(log string) string {
	const limit = 4000
	if len(log) > limit {
		return "..." + log[len(log)-limit:]
	}
	return log
}
