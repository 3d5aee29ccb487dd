// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"sync"

	"externalbackend.dev/operator/internal/health"
)

// bodyWindow is how much of a body is held at a time: more than the longest
// text that is looked for.
const bodyWindow = 2 * health.MaxBodyText

// bodyMatcher says whether bodies hold what they should. They pass through a
// window, so that they take no more memory than that, whatever targets send.
type bodyMatcher struct {
	text    []byte         // that they contain
	pattern *regexp.Regexp // that they match instead; nil: text counts
	slots   *turnstile     // for matching
}

var bodyReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, bodyWindow) }}

// judge reads a body as far as bodies are read, also after what it looks for: one
// that is cut off or never ends is the same failure whatever it holds. It is taken
// as it was sent, without unpacking.
func (m *bodyMatcher) judge(ctx context.Context, body io.Reader) finding {
	read := &excerpt{body: body, left: maxResponseBody, turns: pacer{gate: m.slots, visit: visitOf(ctx)}}
	window := bodyReaders.Get().(*bufio.Reader)
	window.Reset(read)
	defer func() {
		window.Reset(nil)
		bodyReaders.Put(window)
	}()
	found := m.find(window, read)
	_, _ = window.WriteTo(io.Discard) // how that ends is in read.end
	switch {
	case !errors.Is(read.end, io.EOF):
		return classifyHTTP(ctx, read.end)
	case !found:
		return failed(health.UnexpectedBody)
	}
	return passed
}

// find looks through a body up to what it finds.
func (m *bodyMatcher) find(window *bufio.Reader, read *excerpt) bool {
	piece, err := window.Peek(window.Size())
	if m.pattern != nil {
		if err != nil && !errors.Is(err, io.EOF) {
			return false // it was cut off: a failure whatever it holds
		}
		if refused := read.turns.enter(); refused != nil {
			read.end = refused
			return false
		}
		defer read.turns.leave()
		if err != nil { // there is no more: at once takes a tenth of the time
			return m.pattern.Match(piece)
		}
		return m.pattern.MatchReader(window)
	}
	for {
		if bytes.Contains(piece, m.text) {
			return true
		}
		if err != nil {
			return false
		}
		// What may be the beginning of the text stays.
		_, _ = window.Discard(len(piece) - len(m.text) + 1)
		piece, err = window.Peek(window.Size())
	}
}

// excerpt reads the beginning of a body, and keeps why it ended: a connection
// tells a reset once, and then that there is no more.
type excerpt struct {
	body  io.Reader
	left  int
	end   error // io.EOF if the body ended, or enough of it was read
	turns pacer // for matching
}

// Read implements io.Reader.
func (e *excerpt) Read(b []byte) (n int, err error) {
	if e.end == nil && e.left == 0 {
		e.end = io.EOF
	}
	if e.end != nil {
		return 0, e.end
	}
	n, e.end = e.turns.read(e.body, b[:min(len(b), e.left)])
	e.left -= n
	return n, e.end
}
