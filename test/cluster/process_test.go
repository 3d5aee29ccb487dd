// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell starts a shell script as a process whose log is in the folder.
func shell(t *testing.T, dir, script string) *Process {
	t.Helper()
	p, err := StartProcess("component", dir, "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestAProcessThatEndsByItselfIsAnError(t *testing.T) {
	for script, code := range map[string]int{"exit 0": 0, "exit 3": 3} {
		p := shell(t, t.TempDir(), script)
		<-p.Done()
		var exit *ExitError
		if !errors.As(p.ExitError(), &exit) || exit.Process != p {
			t.Fatalf("%s: error = %v, want an ExitError of the process", script, p.ExitError())
		}
		var status *exec.ExitError
		if errors.As(exit, &status) != (code != 0) || code != 0 && status.ExitCode() != code {
			t.Errorf("%s: error = %v, want status %d in it", script, exit, code)
		}
	}
}

func TestStopIsCleanIfTheProcessObeys(t *testing.T) {
	dir := t.TempDir()
	p := shell(t, dir, `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`)
	waitForLog(t, p, dir, "up")
	if p.ExitError() != nil {
		t.Errorf("a running process has ended: %v", p.ExitError())
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop = %v, want nil", err)
	}
	if err := p.ExitError(); err != nil {
		t.Errorf("a stopped process counts as ended by itself: %v", err)
	}
	if lines, err := LogTail(dir, "component", 5); err != nil || !slices.Equal(lines, []string{"up", "bye"}) {
		t.Errorf("log = %q, %v", lines, err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("signalling an ended process: %v", err)
	}
}

func TestStopTellsOfAnUncleanEnd(t *testing.T) {
	dir := t.TempDir()
	p := shell(t, dir, `trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done`)
	waitForLog(t, p, dir, "up")
	var status *exec.ExitError
	if err := p.Stop(); !errors.As(err, &status) || status.ExitCode() != 7 {
		t.Errorf("Stop = %v, want exit status 7", err)
	}
}

func TestLogTailReturnsTheLastLinesOfAllProcessesOfTheName(t *testing.T) {
	dir := t.TempDir()
	<-shell(t, dir, "echo one; echo two >&2").Done()
	<-shell(t, dir, "echo three").Done()
	for n, want := range map[int][]string{1: {"three"}, 2: {"two", "three"}, 9: {"one", "two", "three"}} {
		if got, err := LogTail(dir, "component", n); err != nil || !slices.Equal(got, want) {
			t.Errorf("last %d lines = %q, %v; want %q", n, got, err, want)
		}
	}
}

func TestLogTailReadsOnlyTheEndOfALongLog(t *testing.T) {
	dir := t.TempDir()
	<-shell(t, dir, "yes | head -c 200000; echo end").Done()
	if got, err := LogTail(dir, "component", 2); err != nil || !slices.Equal(got, []string{"y", "end"}) {
		t.Errorf("last lines = %q, %v", got, err)
	}
	if _, err := LogTail(dir, "other", 2); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want that there is no such log", err)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	if _, err := StartProcess("component", t.TempDir(), "/nonexistent/program"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want that it does not exist", err)
	}
}

// waitForLog waits until the process has written the line.
func waitForLog(t *testing.T, p *Process, dir, line string) {
	t.Helper()
	for range time.Tick(time.Millisecond) {
		if lines, err := LogTail(dir, "component", 100); err == nil && slices.Contains(lines, line) {
			return
		}
		if err := p.ExitError(); err != nil {
			t.Fatal(err)
		}
	}
}
