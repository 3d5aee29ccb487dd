// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestHangingNamesDelayNobodyElse: thousands of one namespace's names hang, old
// ones and new ones, and those of another are asked as if they were alone.
func TestHangingNamesDelayNobodyElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.opts.MaxQuestions = 5000
		w.set("*", said(30*time.Second, 1))
		w.Ensure("good/a", names(100, "good"))
		w.Ensure("bad/a", names(2000, "bad"))
		w.start(t)
		w.hangs("bad", true)
		w.Ensure("bad/b", names(5000, "bad"))
		time.Sleep(10 * time.Minute)
		for _, q := range names(100, "good") {
			w.punctual(t, q.String())
		}
		w.expectSlots(t, "bad", []int{24, 48, 96})

		w.forget()
		w.Ensure("new/a", names(10, "new"))
		time.Sleep(batch) // on the test's clock: others may fall due within it, and all start together
		w.expect(t, "n9.new A", "[.1] Answered", "new/a")

		w.hangs("new", true)
		w.Ensure("new/b", names(100, "new"))
		time.Sleep(batch)
		if got, _ := w.underWay("new"); got != 12 {
			t.Errorf("another namespace whose names hang has %d queries under way, want half of what is free and not kept", got)
		}
	})
}

// TestManyNamespacesWhoseNamesHang leave slots for those that come later.
func TestManyNamespacesWhoseNamesHang(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.hangs("evil", true)
		w.set("*", said(30*time.Second, 1))
		w.start(t)
		for n := range 12 {
			var questions []Question
			for i := range 200 {
				questions = append(questions, Question{fmt.Sprintf("n%d-%d.evil", n, i), A})
			}
			w.Ensure(fmt.Sprintf("evil%d/a", n), questions)
			synctest.Wait() // until it has taken all that it may have
		}
		if now, _ := w.underWay("evil"); now < slots[fresh]*3/4 {
			t.Errorf("%d queries are under way, and others need not be held up", now)
		}
		w.Ensure("good/a", asks("db.good A", "www.good A"))
		w.expect(t, "db.good A", "[.1] Answered", "good/a")
		w.expect(t, "www.good A", "[.1] Answered")
	})
}

// punctual checks that a question with a TTL of 30 s was always asked when that
// was over.
func (w *world) punctual(t *testing.T, question string) {
	t.Helper()
	times := w.times(question)
	if age := time.Since(w.begin) - times[len(times)-1]; age > 33*time.Second+batch {
		t.Errorf("%s was asked %s ago", question, age)
	}
	for i := range times[1:] {
		if gap := times[i+1] - times[i]; gap < 30*time.Second || gap > 33*time.Second+batch {
			t.Errorf("%s was asked after %s", question, gap)
		}
	}
}

// TestHangingNamesDelayNoneThatWork: neither do they within a namespace.
func TestHangingNamesDelayNoneThatWork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("*", said(30*time.Second, 1))
		w.hangs("bad", true)
		w.Ensure("shop/a", names(100, "good"))
		w.start(t)
		w.Ensure("shop/b", names(2000, "bad"))
		time.Sleep(30 * time.Minute)
		for _, q := range names(100, "good") {
			w.punctual(t, q.String())
		}
	})
}

// expectSlots checks that a group was never given more than half of the slots of
// each class that are not kept for others.
func (w *world) expectSlots(t *testing.T, zone string, perClass []int) {
	t.Helper()
	sum := 0
	for c, n := range perClass {
		if slots[c]*3 != n*8 {
			t.Errorf("class %d has %d slots", c, slots[c])
		}
		sum += n
	}
	if _, most := w.underWay(zone); most > sum {
		t.Errorf("%d queries of %s were under way, want at most %d", most, zone, sum)
	}
}

// TestNamesThatHangRecover all of them, once they are answered.
func TestNamesThatHangRecover(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.opts.MaxQuestions = 10000
		w.set("*", said(30*time.Second, 1))
		w.Ensure("shop/a", names(10000, "example"))
		w.start(t)
		w.hangs("example", true)
		time.Sleep(10 * time.Minute)
		if failing := w.Stats().Failing; failing < 1000 {
			t.Errorf("%d names are failing", failing)
		}
		w.hangs("example", false)
		time.Sleep(hang + 33*time.Second)
		synctest.Wait()
		if stats := w.Stats(); stats.Failing != 0 || stats.Waiting != 0 {
			t.Errorf("after a TTL: %+v", stats)
		}
	})
}

// TestASharedNameUsesTheShareOfAnyWhoWantIt: it does not wait with all others of
// a namespace that has no slots left.
func TestASharedNameUsesTheShareOfAnyWhoWantIt(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("wanted by another later: %t", late), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.set("*", said(30*time.Second, 1))
				w.hangs("bad", true)
				w.start(t)
				w.Ensure("bad/a", names(1000, "bad"))
				synctest.Wait()
				if !late {
					w.Ensure("good/a", asks("db.example A"))
				}
				w.Ensure("bad/b", asks("db.example A"))
				if late {
					w.expect(t, "db.example A", "nothing")
					w.Ensure("good/a", asks("db.example A"))
				}
				w.forget()
				w.expect(t, "db.example A", "[.1] Answered")
				w.hangs("bad", false)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				w.punctual(t, "db.example A")
			})
		})
	}
}

// TestSlotsAreTakenInTurns: of many who wait, each namespace is served alike.
func TestSlotsAreTakenInTurns(t *testing.T) {
	d := newDispatcher()
	add := func(group string, n int) {
		for range n {
			d.add(&task{set: newSet(DefaultMinTTL, DefaultMaxTTL), stage: waiting}, group)
		}
	}
	add("a", 100)
	add("b", 100)
	add("c", 2)
	got := map[string]int{}
	for t := d.next(); t != nil; t = d.next() {
		got[t.payer]++
	}
	// 16 + 15 + 2 leave 31 free, of which 16 are kept.
	if got["a"]+got["b"] < 30 || got["a"]-got["b"] > 1 || got["b"]-got["a"] > 1 || got["c"] != 2 {
		t.Errorf("got %v", got)
	}
}
