// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Bounds of an expected body.
const (
	// MaxBodyText is the greatest length of ExpectedBody.Contains, in bytes.
	MaxBodyText = 4 << 10
	// maxPatternLength bounds ExpectedBody.Matches, in bytes.
	maxPatternLength = 4 << 10
	// maxPatternSize bounds the places of an expression at which matching can be
	// at once. Time is proportional to them, for each byte of a body.
	maxPatternSize = 1024
)

// ExpectedBody says what the first 64 KiB of a body must hold, as they are
// sent. Exactly one field is set.
type ExpectedBody struct {
	// Contains is a text, 1 to MaxBodyText bytes.
	Contains string
	// Matches is a regular expression in the syntax of RE2.
	Matches string
}

// validate proves that an expression compiles, without the cost of compiling.
func (e *ExpectedBody) validate(method string) error {
	switch {
	case method == "HEAD":
		return errors.New("http.expectedBody: a response to HEAD has no body; use method GET")
	case (e.Contains == "") == (e.Matches == ""):
		return errors.New("http.expectedBody: set exactly one of contains and matches")
	case len(e.Contains) > MaxBodyText:
		return fmt.Errorf("http.expectedBody.contains: %d bytes are too long; use at most %d", len(e.Contains), MaxBodyText)
	case e.Matches == "":
		return nil
	case len(e.Matches) > maxPatternLength:
		return fmt.Errorf("http.expectedBody.matches: %d bytes are too long; use at most %d", len(e.Matches), maxPatternLength)
	}
	expression, err := syntax.Parse(e.Matches, syntax.Perl)
	if err != nil {
		return fmt.Errorf("http.expectedBody.matches: %w; write a regular expression in the syntax of RE2", err)
	}
	if size := patternSize(expression); size > maxPatternSize {
		return fmt.Errorf("http.expectedBody.matches: the expression is too large, %d characters with every repetition written out; use one of at most %d, or contains",
			size, maxPatternSize)
	}
	return nil
}

// Pattern compiles Matches; nil if that is not set.
func (e *ExpectedBody) Pattern() *regexp.Regexp {
	if e.Matches == "" {
		return nil
	}
	return regexp.MustCompile(e.Matches) // NewCheck has validated it
}

// patternSize is about the number of instructions that an expression becomes:
// what is repeated counts as often as it is written out, so that without counted
// repetitions it is at most the length.
func patternSize(e *syntax.Regexp) int {
	var size int
	switch e.Op {
	case syntax.OpLiteral:
		size = len(e.Rune)
	case syntax.OpConcat:
	case syntax.OpAlternate:
		size = len(e.Sub) - 1
	case syntax.OpRepeat:
		return max(e.Min, e.Max, 1) * (1 + patternSize(e.Sub[0]))
	default:
		size = 1
	}
	for _, sub := range e.Sub {
		size += patternSize(sub)
	}
	return size
}
