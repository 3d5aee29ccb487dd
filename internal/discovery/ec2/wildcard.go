// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strings"
	"unicode/utf8"
)

// wildcards are the characters that mean something in a pattern.
const wildcards = `*?\`

// matchPattern says whether a text matches a pattern in which * stands for any
// characters, ? for one or none, and \ takes the next one literally. It takes time
// in proportion to the product of both lengths at most.
func matchPattern(pattern, text string) bool {
	literal := strings.IndexAny(pattern, wildcards)
	if literal < 0 {
		return pattern == text
	}
	if !strings.HasPrefix(text, pattern[:literal]) {
		return false
	}
	pattern, text = pattern[literal:], text[literal:]
	var onStack [2][256]bool
	now, next := onStack[0][:], onStack[1][:]
	if len(pattern) >= len(now) {
		now, next = make([]bool, len(pattern)+1), make([]bool, len(pattern)+1)
	}
	now, next = now[:len(pattern)+1], next[:len(pattern)+1]
	reach(pattern, now, 0)
	for text != "" {
		_, size := utf8.DecodeRuneInString(text)
		if !advance(pattern, text[:size], now, next) {
			return false
		}
		text = text[size:]
		now, next = next, now
		clear(next)
	}
	return now[len(pattern)]
}

// advance moves all places in the pattern on by a character, and says whether any
// is left.
func advance(pattern, char string, now, next []bool) bool {
	alive := false
	for at := range pattern {
		if !now[at] {
			continue
		}
		to := -1
		switch pattern[at] {
		case '*':
			to = at
		case '?':
			to = at + 1
		default:
			from := at
			if pattern[at] == '\\' && at+1 < len(pattern) {
				from++
			}
			if strings.HasPrefix(pattern[from:], char) {
				to = from + len(char)
			}
		}
		if to >= 0 {
			reach(pattern, next, to)
			alive = true
		}
	}
	return alive
}

// reach marks a place in the pattern, and those behind wildcards that may stand for
// nothing.
func reach(pattern string, places []bool, at int) {
	for !places[at] {
		places[at] = true
		if at == len(pattern) || pattern[at] != '*' && pattern[at] != '?' {
			return
		}
		at++
	}
}
