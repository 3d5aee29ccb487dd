// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tint is a colour on terminals that have it.
type tint string

const (
	plain  tint = ""
	bold   tint = "1"
	red    tint = "31"
	green  tint = "32"
	yellow tint = "33"
	grey   tint = "90"
)

// screen prints line by line, so that a terminal and a CI log read the same.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
	began  time.Time
}

// newScreen returns a screen on standard output; colour only on a terminal
// whose user has not said no (https://no-color.org).
func newScreen() *screen {
	_, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS)
	colour := err == nil && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return &screen{out: os.Stdout, colour: colour, began: time.Now()}
}

// paint returns the text in a colour.
func (s *screen) paint(t tint, text string) string {
	if !s.colour || t == plain {
		return text
	}
	return "\x1b[" + string(t) + "m" + text + "\x1b[0m"
}

// print prints text as it is and ends the line.
func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, text)
}

// heading starts a new part.
func (s *screen) heading(text string) { s.print("\n" + s.paint(bold, text)) }

// event prints a line of the timeline, with the seconds since the demo began.
func (s *screen) event(t tint, format string, args ...any) {
	s.print(s.stamp() + s.paint(t, fmt.Sprintf(format, args...)))
}

func (s *screen) stamp() string { return fmt.Sprintf("%5.1f s  ", time.Since(s.began).Seconds()) }

// command shows a command, what it was given on standard input, and what it
// printed.
func (s *screen) command(command, input, output string) {
	var b strings.Builder
	b.WriteString(s.stamp() + s.paint(bold, "$ "+command))
	for line := range strings.Lines(input) {
		b.WriteString("\n" + indent + s.paint(grey, "| "+strings.TrimRight(line, "\n")))
	}
	for line := range strings.Lines(output) {
		b.WriteString("\n" + strings.TrimRight(indent+line, " \n"))
	}
	s.print(b.String())
}

// indent is as wide as a stamp.
const indent = "         "
