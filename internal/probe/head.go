// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
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
	keep, last, first, start := true, false, true, true
	var dropped header
	for {
		line, part, err := r.line()
		switch {
		case err != nil:
			return nil, err
		case first && start && !bytes.HasPrefix(line, []byte("HTTP/")):
			return nil, errNoHead
		case start && !first && line[0] != ' ' && line[0] != '\t': // else it goes on with the one before
			keep, last = frames(line)
			dropped = header{}
		}
		if keep {
			r.kept = append(r.kept, line...)
		} else if !dropped.goesOn(line, part) {
			return nil, errNoHead
		}
		if len(r.kept) > maxFraming {
			return nil, errLongHead
		}
		if last {
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
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, false, err
	}
	if last := len(line) - 1; line[last] == '\r' { // it may belong to the line's end
		return line[:last], true, r.lines.UnreadByte()
	}
	return line, true, nil
}

// frames says whether a line after the first, which begins as given, is about how
// the response is framed, and whether it is what ends the head, and so about that too.
func frames(line []byte) (framing, last bool) {
	name, _, named := bytes.Cut(line, []byte(":"))
	known := bytes.EqualFold(name, []byte("Content-Length")) || bytes.EqualFold(name, []byte("Transfer-Encoding"))
	last = len(bytes.TrimRight(line, "\r\n")) == 0
	return named && known || last, last
}

// header is how far a header has been read that is dropped.
type header struct {
	begun bool // its name
	named bool // wholly
}

// goesOn says whether the next part of a header, the last one of a line or not, is
// one that net/http would read too: a response is not judged by what is dropped.
func (h *header) goesOn(line []byte, part bool) bool {
	if !part {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	}
	if !h.named {
		var name []byte
		name, line, h.named = bytes.Cut(line, []byte(":"))
		h.begun = h.begun || len(name) > 0
		if !h.begun || !h.named && !part || bytes.ContainsFunc(name, notInName) {
			return false
		}
	}
	return !bytes.ContainsFunc(line, notInValue)
}

// notInName says that net/http refuses a character in the name of a header: all but
// those of tokens (RFC 9110, 5.6.2) and blanks.
func notInName(r rune) bool {
	return r < ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

// notInValue says that a character may not be part of a header's value.
func notInValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
