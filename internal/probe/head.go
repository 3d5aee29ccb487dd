// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
)

// maxFraming bounds what is kept of a response's head: the status line, and what
// says where the body ends. That is one line each.
const maxFraming = 2 << 10

var (
	errLongHead = errors.New("too much of the response's head says how it is framed")
	errNoHead   = errors.New("this is no head of a response")
)

// responseReader is what reading a response needs, reused from check to check.
type responseReader struct {
	limited io.LimitedReader // bounds the header
	lines   *bufio.Reader    // of limited
	kept    []byte           // of the head that was read last
	rest    bytes.Reader     // of kept
	framed  *bufio.Reader    // of kept and then lines
}

var responseReaders = sync.Pool{New: func() any {
	return &responseReader{lines: bufio.NewReaderSize(nil, 1<<10), framed: bufio.NewReader(nil)}
}}

func (r *responseReader) reset(conn net.Conn) {
	r.limited = io.LimitedReader{R: conn, N: maxResponseHeader}
	r.lines.Reset(&r.limited)
}

func (r *responseReader) release() {
	r.limited.R = nil
	responseReaders.Put(r)
}

// head reads the head of the next response, and returns a reader of the response
// without the headers that make no difference. They are dropped line by line: kept
// as a map, thousands of tiny ones would take twenty times as much memory, for as
// long as a target likes.
func (r *responseReader) head() (*bufio.Reader, error) {
	r.kept = r.kept[:0]
	keep, first, start := true, true, true
	for {
		line, part, err := r.line()
		switch {
		case err != nil:
			return nil, err
		case first && start && !bytes.HasPrefix(line, []byte("HTTP/")):
			return nil, errNoHead
		case start && !first:
			if keep, err = frames(line, keep); err != nil {
				return nil, err
			}
		}
		if keep {
			r.kept = append(r.kept, line...)
		}
		if len(r.kept) > maxFraming {
			return nil, errLongHead
		}
		if start && !first && len(bytes.TrimRight(line, "\r\n")) == 0 {
			r.rest.Reset(r.kept)
			r.framed.Reset(io.MultiReader(&r.rest, r.lines))
			return r.framed, nil
		}
		first, start = first && part, !part
	}
}

// line reads a line, or a part of a long one that goes on.
func (r *responseReader) line() (line []byte, part bool, err error) {
	line, err = r.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return line, true, nil
	}
	return line, false, err
}

// frames says whether a line after the first, which begins as given, is about how
// the response is framed, or ends the head. One that goes on is like the one before.
func frames(line []byte, before bool) (bool, error) {
	if line[0] == ' ' || line[0] == '\t' {
		return before, nil
	}
	line = bytes.TrimRight(line, "\r\n")
	name, _, isHeader := bytes.Cut(line, []byte(":"))
	trimmed := bytes.TrimSpace(name)
	framing := bytes.EqualFold(trimmed, []byte("Content-Length")) || bytes.EqualFold(trimmed, []byte("Transfer-Encoding"))
	if len(line) > 0 && !isHeader || framing && len(trimmed) < len(name) {
		return false, errNoHead
	}
	return framing || len(line) == 0, nil
}
