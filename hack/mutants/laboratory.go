// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// laboratory is where tests are run against mutants.
type laboratory struct {
	root string // folder of the module
	work string // folder for files that come and go
	jobs int
	out  io.Writer
}

// green runs the tests of trials on the code as it is, each once, and returns
// what is wrong with those that are not there or do not pass.
func (l *laboratory) green(ctx context.Context, all []trial) map[test]error {
	packages := make(map[string][]test)
	var order []string
	for i := range all {
		pkg := all[i].pkg
		if packages[pkg] == nil {
			order = append(order, pkg)
		}
		for _, named := range all[i].tests {
			if !slices.Contains(packages[pkg], named) {
				packages[pkg] = append(packages[pkg], named)
			}
		}
	}
	wrong := make([]map[test]error, len(order))
	l.parallel(len(order), func(i int) bool { return order[i] == endToEnd }, func(i int) {
		begin := time.Now()
		wrong[i] = l.greenPackage(ctx, order[i], packages[order[i]])
		fmt.Fprintf(l.out, "without mutants: %-40s %3d tests, %d not green %6.1f s\n",
			order[i], len(packages[order[i]]), len(wrong[i]), time.Since(begin).Seconds())
	})
	together := make(map[test]error)
	for _, of := range wrong {
		maps.Copy(together, of)
	}
	return together
}

func (l *laboratory) greenPackage(ctx context.Context, pkg string, tests []test) map[test]error {
	verdicts, log, err := l.executeUnmutated(ctx, pkg, tests)
	wrong := make(map[test]error)
	for _, named := range tests {
		switch {
		case err != nil:
			wrong[named] = fmt.Errorf("tests of %s, without any mutant: %w\n%s", pkg, err, tail(log))
		case verdicts[named] == missing:
			wrong[named] = fmt.Errorf("there is no such test as %s", named)
		case verdicts[named] == failed:
			wrong[named] = fmt.Errorf("without any mutant, red: %s\n%s", named, tail(log))
		}
	}
	return wrong
}

func (l *laboratory) executeUnmutated(ctx context.Context, pkg string, tests []test) (map[test]verdict, string, error) {
	folder, err := os.MkdirTemp(l.work, "green-")
	if err != nil {
		return nil, "", err
	}
	s, err := l.compile(ctx, pkg, "", folder)
	if err != nil {
		return nil, "", err
	}
	return l.execute(ctx, s, tests)
}

// result of a trial.
type result struct {
	survived []test // by tests that should have turned red
	err      error
	took     time.Duration
}

// try carries out all trials and prints a row for each, in their order. A trial
// whose tests are wrong without it proves nothing.
func (l *laboratory) try(ctx context.Context, all []trial, wrong map[test]error) []result {
	results := make([]result, len(all))
	done := make([]chan struct{}, len(all))
	for i := range done {
		done[i] = make(chan struct{})
	}
	go l.parallel(len(all), func(i int) bool { return all[i].pkg == endToEnd }, func(n int) {
		begin := time.Now()
		r := &results[n]
		if i := slices.IndexFunc(all[n].tests, func(named test) bool { return wrong[named] != nil }); i >= 0 {
			r.err = wrong[all[n].tests[i]]
		} else {
			r.survived, r.err = l.one(ctx, &all[n])
		}
		r.took = time.Since(begin)
		close(done[n])
	})
	fmt.Fprintf(l.out, "%4s  %-44s %-8s %6s  %s\n", "rule", "mutant", "result", "s", "tests")
	for i := range all {
		<-done[i]
		all[i].print(l.out, &results[i])
	}
	return results
}

// one returns the tests of a trial that stay green.
func (l *laboratory) one(ctx context.Context, t *trial) ([]test, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	folder, err := os.MkdirTemp(l.work, "mutant-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	overlay, err := l.overlay(t.mutant, folder)
	if err != nil {
		return nil, err
	}
	s, err := l.compile(ctx, t.pkg, overlay, folder)
	if err != nil {
		return nil, err
	}
	var survived []test
	for _, together := range separate(t.tests) {
		verdicts, log, err := l.execute(ctx, s, together)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, tail(log))
		}
		for _, named := range together {
			switch verdicts[named] {
			case missing:
				return nil, fmt.Errorf("%s did not come to an end:\n%s", named, tail(log))
			case passed:
				survived = append(survived, named)
			case failed:
			}
		}
	}
	return survived, nil
}

// separate makes runs of tests: a Go test may take down what runs after it,
// while specs take long to start.
func separate(tests []test) [][]test {
	specs, functions := partition(tests)
	var runs [][]test
	for _, f := range functions {
		runs = append(runs, []test{f})
	}
	if len(specs) > 0 {
		runs = append(runs, specs)
	}
	return runs
}

// overlay writes the mutated files and the description that the compiler wants.
func (l *laboratory) overlay(m *mutant, folder string) (string, error) {
	texts, err := m.apply(l.root)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for path, text := range texts {
		mutated := filepath.Join(folder, fmt.Sprintf("mutated%d.go", len(replace)))
		if err := os.WriteFile(mutated, text, 0o600); err != nil {
			return "", err
		}
		replace[path] = mutated
	}
	description, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, description, 0o600)
}

// parallel calls do for 0 to n-1, jobs of them at a time, but those that need
// the machine for themselves.
func (l *laboratory) parallel(n int, alone func(i int) bool, do func(i int)) {
	tokens := make(chan struct{}, l.jobs)
	var wait sync.WaitGroup
	for i := range n {
		if alone(i) {
			wait.Wait()
			do(i)
			continue
		}
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
