// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Command testsummary reads the events of `go test -json` on standard input and
// prints a line per package, the whole output of what failed, and as its last
// line how many tests passed and failed. Ginkgo specs count one by one. It exits
// with 1 if anything failed or if no test ran.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// quiet is how long nothing may be printed before a line says what goes on.
const quiet = 30 * time.Second

func main() {
	trim := flag.String("trim", "", "prefix of import paths to leave out, such as the module's path and a slash")
	flag.Parse()
	// Ctrl-C reaches the tests too. They end by themselves, which takes a reader.
	signal.Ignore(os.Interrupt)

	s := newSummary(os.Stdout, *trim)
	if err := feed(s, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary: reading standard input:", err)
		os.Exit(1)
	}
	if !s.close() {
		os.Exit(1)
	}
}

// feed hands every line of r to s, and between them says what goes on when
// that takes long.
func feed(s *summary, r io.Reader) error {
	lines := make(chan []byte)
	read := make(chan error, 1)
	go func() {
		defer close(lines)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				read <- err
				return
			}
		}
	}()

	begin := time.Now()
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				if err := <-read; !errors.Is(err, io.EOF) {
					return err
				}
				return nil
			}
			if s.line(line) {
				tick.Reset(quiet)
			}
		case <-tick.C:
			s.progress(time.Since(begin))
		}
	}
}
