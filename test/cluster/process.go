// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end after SIGTERM before it is
// killed. The API server drains for a moment; nothing needs longer.
const stopGrace = 5 * time.Second

// tailBytes bounds how much of a log's end LogTail reads.
const tailBytes = 64 << 10

// Process is one running program, with its output in a log file.
type Process struct {
	name  string
	cmd   *exec.Cmd
	asked atomic.Bool // Stop or Kill was called
	done  chan struct{}
	err   error // why it ended; read only after done is closed
}

// StartProcess starts the program at path and writes what it prints to
// logDir/name.log, after what an earlier process of that name wrote. The
// process gets a process group of its own, so a Ctrl-C on the terminal reaches
// only the program that started it, which can then stop everything in order.
func StartProcess(name, logDir, path string, args ...string) (*Process, error) {
	return startProcess(name, logDir, nil, path, args...)
}

// startProcess is StartProcess with more in the environment than that of this
// process, each as NAME=value.
func startProcess(name, logDir string, env []string, path string, args ...string) (*Process, error) {
	p := &Process{name: name, done: make(chan struct{})}
	log, err := os.OpenFile(logPath(logDir, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", name, err)
	}
	defer log.Close() // the child holds its own copy
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Name returns the name that the process was started under.
func (p *Process) Name() string { return p.name }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitError returns an *ExitError if the process has ended by itself, even with
// status 0, and nil if it runs or was ended by Stop or Kill.
func (p *Process) ExitError() error {
	select {
	case <-p.done:
		if p.asked.Load() {
			return nil
		}
		return &ExitError{Process: p, Cause: p.err}
	default:
		return nil
	}
}

// Signal sends a signal to the process. Signalling one that has ended is no error.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", s, p.name, err)
	}
	return nil
}

// Stop asks the process to end, kills it if it has not after 5 s, and returns
// when it is gone: nil if it ended with status 0, else how it ended.
func (p *Process) Stop() error {
	p.asked.Store(true)
	_ = p.Signal(syscall.SIGTERM) // a failure leaves SIGKILL to do it
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		p.Kill()
	}
	return p.err
}

// Kill ends the process with SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	p.asked.Store(true)
	_ = p.cmd.Process.Kill() // fails only if it has ended already
	<-p.done
}

// LogTail returns the last lines, at most n, that processes of that name have
// written to their log in logDir.
func LogTail(logDir, name string, n int) ([]string, error) {
	f, err := os.Open(logPath(logDir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tailBytes), tailBytes))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return lines[max(0, len(lines)-n):], nil
}

func logPath(logDir, name string) string { return filepath.Join(logDir, name+".log") }

// ExitError says that a process ended which should have gone on.
type ExitError struct {
	Process *Process
	Cause   error // from exec.Cmd.Wait; nil for exit status 0
}

// Error implements error.
func (e *ExitError) Error() string {
	how := "exit status 0"
	if e.Cause != nil {
		how = e.Cause.Error()
	}
	return fmt.Sprintf("%s ended by itself: %s", e.Process.name, how)
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Cause }
