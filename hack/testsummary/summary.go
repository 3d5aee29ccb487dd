// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	ImportPath  string  // of build-output
	FailedBuild string  // import path of the package whose build failed
	Elapsed     float64 // seconds
}

// summary adds up the events of one go test run.
type summary struct {
	out      io.Writer
	trim     string
	packages map[string]*testPackage
	builds   map[string]*strings.Builder // compiler output by import path
	total    counts
	failures []string
}

func newSummary(out io.Writer, trim string) *summary {
	return &summary{out: out, trim: trim, packages: map[string]*testPackage{}, builds: map[string]*strings.Builder{}}
}

// line takes one line of input and tells whether anything was printed. What is
// no event, such as an error of the go command itself, is passed on as it is.
func (s *summary) line(line []byte) bool {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		fmt.Fprintf(s.out, "%s", line)
		return true
	}
	switch {
	case e.Action == "build-output":
		b, ok := s.builds[e.ImportPath]
		if !ok {
			b = &strings.Builder{}
			s.builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
	case e.Package == "":
	case e.Test != "":
		s.pkg(e.Package).test(e.Test).add(e)
	case e.Action == "output":
		s.pkg(e.Package).output.WriteString(e.Output)
	case e.Action == "pass", e.Action == "fail", e.Action == "skip":
		s.end(e)
		return true
	default:
		s.pkg(e.Package)
	}
	return false
}

func (s *summary) pkg(path string) *testPackage {
	p, ok := s.packages[path]
	if !ok {
		p = &testPackage{tests: map[string]*test{}}
		s.packages[path] = p
	}
	return p
}

// end prints the result of a package.
func (s *summary) end(e event) {
	p := s.pkg(e.Package)
	p.ended = true
	c, failed := p.tally(e.Action == "fail")
	s.total.add(c)
	name := strings.TrimPrefix(e.Package, s.trim)

	mark, result := "ok  ", fmt.Sprintf("%d passed", c.passed)
	switch {
	case c.failed > 0:
		mark, result = "FAIL", c.String()
	case c == (counts{}):
		mark, result = "-   ", "no tests"
	case c.skipped > 0:
		result += fmt.Sprintf(", %d skipped", c.skipped)
	}
	note := ""
	if strings.Contains(p.output.String(), "\t(cached)") {
		note = " (cached)"
	}
	fmt.Fprintf(s.out, "%s  %-32s %s in %.1f s%s\n", mark, name, result, e.Elapsed, note)

	if b, ok := s.builds[e.FailedBuild]; ok && e.FailedBuild != "" {
		fmt.Fprint(s.out, b.String())
		delete(s.builds, e.FailedBuild) // many packages may wait for one; once is enough
	}
	// First what failed: the output of a suite is long, and may be cut short.
	for _, spec := range p.failedSpecs(failed) {
		fmt.Fprintf(s.out, "      %s\n", spec)
	}
	for _, t := range failed {
		fmt.Fprint(s.out, p.tests[t].output.String())
		inSubtest := func(other string) bool { return strings.HasPrefix(other, t+"/") }
		if !slices.ContainsFunc(failed, inSubtest) {
			s.failures = append(s.failures, name+" "+t)
		}
	}
	if c.failed > 0 {
		if len(failed) == 0 {
			s.failures = append(s.failures, name)
		}
		fmt.Fprint(s.out, p.output.String())
	}
}

// progress says which packages have not ended.
func (s *summary) progress(since time.Duration) {
	open := s.open()
	what := "compiling"
	if len(open) > 0 {
		what = "running " + strings.Join(open, ", ")
	}
	fmt.Fprintf(s.out, "...   %s (%d s)\n", what, int(since.Seconds()))
}

func (s *summary) open() []string {
	var names []string
	for path, p := range s.packages {
		if !p.ended {
			names = append(names, strings.TrimPrefix(path, s.trim))
		}
	}
	slices.Sort(names)
	return names
}

// close prints the end of the report and tells whether all went well.
func (s *summary) close() bool {
	// The go command was stopped: what it left open has not passed.
	for _, name := range s.open() {
		s.end(event{Action: "fail", Package: s.trim + name})
	}
	if len(s.failures) > 0 {
		fmt.Fprintf(s.out, "\nFailed:\n  %s\n", strings.Join(s.failures, "\n  "))
	}
	if s.total.passed+s.total.failed == 0 {
		fmt.Fprintln(s.out, "\nno test ran")
	}
	fmt.Fprintf(s.out, "\n%s\n", s.total)
	return s.total.failed == 0 && s.total.passed > 0
}
