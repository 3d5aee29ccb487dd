// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoomForQuestions: a namespace asks as much as it may, which is nobody else's
// loss, and what found no room is asked as soon as there is some.
func TestRoomForQuestions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.opts.MaxQuestions = 3
		w.set("*", said(30*time.Second, 1))
		w.start(t)
		w.Ensure("shop/a", asks("one.example A", "two.example A"))
		w.Ensure("shop/b", asks("two.example A", "three.example A", "four.example A", "four.example A"))
		w.Ensure("other/c", asks("four.example A", "five.example A", "six.example A"))
		w.expect(t, "four.example A", "[.1] Answered", "other/c", "shop/a", "shop/b")
		w.forget()
		outcome := func(sub, question string) Outcome {
			if s := w.Lookup(sub, ask(question)); s != nil {
				return s.Outcome
			}
			return 0
		}
		for question, want := range map[string]Outcome{
			"two.example A": Answered, "three.example A": Answered, "four.example A": TooManyQuestions,
		} {
			if got := outcome("shop/b", question); got != want {
				t.Errorf("%s of shop/b: %s, want %s", question, got, want)
			}
		}

		w.Ensure("shop/a", asks("two.example A"))
		w.expect(t, "four.example A", "[.1] Answered", "shop/b")
		w.Ensure("shop/b", asks("two.example A", "three.example A", "four.example A"))
		if got := outcome("shop/b", "four.example A"); got != Answered {
			t.Errorf("with room: %s", got)
		}
		for _, sub := range []string{"shop/a", "shop/b", "other/c"} {
			w.Forget(sub)
		}
		if len(w.rooms)+len(w.Resolver.asked) > 0 {
			t.Errorf("left behind: %v, %v", w.rooms, w.Resolver.asked)
		}
	})
}

// TestManyQuestionsComeAndGo has nothing left of them.
func TestManyQuestionsComeAndGo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.opts.MaxQuestions = 600
		w.set("*", said(30*time.Second, 1))
		w.start(t)
		for round := range 5 {
			var list []string
			for i := range 700 {
				list = append(list, fmt.Sprintf("n%d.example A", 100*round+i))
			}
			w.Ensure("shop/a", asks(list...))
			synctest.Wait()
			if n := len(w.Resolver.asked); n != 600 {
				t.Errorf("round %d: %d questions", round, n)
			}
		}
		w.Forget("shop/a")
		if len(w.rooms)+len(w.Resolver.asked)+len(w.idle) > 0 {
			t.Errorf("left behind: %d, %d, %d", len(w.rooms), len(w.Resolver.asked), len(w.idle))
		}
	})
}
