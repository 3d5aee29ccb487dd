// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAQuestionIsAskedOnceForAll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("*", said(30*time.Second, 1))
		w.Ensure("shop/a", asks("db.example A"))
		w.expect(t, "db.example A", "nothing")
		w.start(t)
		w.Ensure("shop/b", asks("db.example A", "db.example A"))
		w.expect(t, "db.example A", "[.1] Answered", "shop/a")
		if times := w.times("db.example A"); len(times) != 1 || times[0] != 0 {
			t.Errorf("it was asked at %v, want once and at once", times)
		}
		before := w.lookup("db.example A")
		time.Sleep(29 * time.Second)
		w.expect(t, "db.example A", "[.1] Answered")
		time.Sleep(5 * time.Second)
		w.expect(t, "db.example A", "[.1] Answered")
		if w.lookup("db.example A") != before {
			t.Error("the same answer is another snapshot")
		}
		if times := w.times("db.example A"); len(times) != 2 || times[1] < 30*time.Second || times[1] > 33*time.Second {
			t.Errorf("it was asked at %v, want again when the TTL was over", times)
		}
		w.set("*", said(30*time.Second, 2))
		time.Sleep(33 * time.Second)
		w.expect(t, "db.example A", "[.1 .2] Answered", "shop/a", "shop/b")
	})
}

func TestTTLWithinBounds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("zero.example A", said(0, 1))
		w.set("day.example A", said(24*time.Hour, 1))
		w.Ensure("shop/a", asks("zero.example A", "day.example A"))
		w.start(t)
		time.Sleep(time.Hour)
		for question, want := range map[string]time.Duration{"zero.example A": DefaultMinTTL, "day.example A": DefaultMaxTTL} {
			times := w.times(question)
			if len(times) < int(time.Hour/want*9/10) {
				t.Errorf("%s was asked %d times", question, len(times))
			}
			spread := time.Duration(0)
			for i := range times[1:] {
				gap := times[i+1] - times[i]
				spread = max(spread, gap-want)
				if gap < want || gap > want+want/10+batch {
					t.Errorf("%s was asked again after %s", question, gap)
				}
			}
			if spread < want/100 {
				t.Errorf("%s is asked at even times", question)
			}
		}
	})
}

// TestHalfAnAnswer: one family has its addresses, whatever becomes of the other.
func TestHalfAnAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("db.example A", said(30*time.Second, 1, 2))
		w.set("db.example AAAA", told(ServerFailure))
		w.Ensure("shop/a", asks("db.example A", "db.example AAAA"))
		w.start(t)
		w.expect(t, "db.example A", "[.1 .2] Answered", "shop/a")
		w.expect(t, "db.example AAAA", "[] ServerFailure failing")
		w.set("db.example AAAA", told(Empty))
		w.set("db.example A", told(Timeout))
		time.Sleep(time.Minute)
		w.expect(t, "db.example A", "[.1 .2] Timeout failing", "shop/a")
		w.expect(t, "db.example AAAA", "[] Empty")
	})
}

func TestServersDieForTenMinutes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("*", said(30*time.Second, 1, 2))
		w.Ensure("shop/a", asks("db.example A"))
		w.start(t)
		w.expect(t, "db.example A", "[.1 .2] Answered", "shop/a")
		w.hangs("example", true)
		time.Sleep(10 * time.Minute)
		w.expect(t, "db.example A", "[.1 .2] Timeout failing", "shop/a")
		since := w.lookup("db.example A").FailingSince.Sub(w.begin)
		if since < 30*time.Second || since > 33*time.Second+hang {
			t.Errorf("failing since %s", since)
		}
		if n := len(w.times("db.example A")); n > 20 {
			t.Errorf("it was asked %d times", n)
		}
		w.hangs("example", false)
		time.Sleep(hang + 33*time.Second)
		w.expect(t, "db.example A", "[.1 .2] Answered", "shop/a")
	})
}

func TestSubscribersComeAndGo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("*", said(30*time.Second, 1))
		w.start(t)
		w.Ensure("shop/a", asks("a.example A", "b.example A"))
		w.Ensure("shop/b", asks("b.example A"))
		w.expect(t, "b.example A", "[.1] Answered", "shop/a", "shop/b")
		w.Ensure("shop/a", asks("a.example A", "c.example A"))
		w.expect(t, "b.example A", "[.1] Answered", "shop/a")
		w.Forget("shop/b")
		w.expect(t, "b.example A", "nothing")
		w.expect(t, "a.example A", "[.1] Answered")
		time.Sleep(time.Minute)
		if times := w.times("b.example A"); len(times) != 1 {
			t.Errorf("a question that nobody has was asked at %v", times)
		}
		if stats := w.Stats(); stats != (Stats{Questions: 2}) {
			t.Errorf("got %+v", stats)
		}
		w.Ensure("shop/a", nil)
		if stats := w.Stats(); stats != (Stats{}) || len(w.subscriptions) > 0 || len(w.idle) > 0 {
			t.Errorf("something is left: %+v", stats)
		}
		for c := range w.dispatcher.lanes {
			if l := &w.dispatcher.lanes[c]; len(l.queues)+len(l.turns)+len(l.running) > 0 || l.free != slots[c] {
				t.Errorf("something is left of class %d: %+v", c, l)
			}
		}
	})
}

// TestDroppedWhileItIsAsked: what the query brings is nobody's business any more.
func TestDroppedWhileItIsAsked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("*", said(30*time.Second, 1))
		w.start(t)
		w.hangs("example", true)
		w.Ensure("shop/a", asks("a.example A", "b.example A"))
		synctest.Wait()
		if stats := w.Stats(); stats != (Stats{Questions: 2, InFlight: 2}) {
			t.Errorf("got %+v", stats)
		}
		w.Ensure("shop/a", nil)
		synctest.Wait()
		w.hangs("example", false)
		w.Ensure("shop/a", asks("a.example A"))
		w.expect(t, "a.example A", "[.1] Answered", "shop/a")
		w.expect(t, "b.example A", "nothing")
		if now, _ := w.underWay("example"); now != 0 || time.Since(w.begin) != 0 {
			t.Error("a query that nobody wants goes on")
		}
	})
}

func TestStopEndsQueries(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		seen := observer{}
		w.opts.Observer = seen
		w.hangs("example", true)
		w.Ensure("shop/a", asks("a.example A", "b.example A"))
		w.start(t)
		if err := w.Start(context.Background()); err == nil {
			t.Error("it can be started twice")
		}
		w.stop()
		if err := <-w.done; err != nil {
			t.Error(err)
		}
		w.done <- nil
		if now, _ := w.underWay("example"); now != 0 || time.Since(w.begin) != 0 {
			t.Error("queries outlive it")
		}
		if len(seen) > 0 {
			t.Errorf("queries count that were ended: %v", seen)
		}
		w.expect(t, "a.example A", "nothing")
	})
}

// TestObserver is told of every query, and how long it took.
func TestObserver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		seen := observer{}
		w.opts.Observer = seen
		w.set("a.example A", said(time.Hour, 1))
		w.hangs("b.example AAAA", true)
		w.Ensure("shop/a", asks("a.example A", "b.example AAAA"))
		w.start(t)
		time.Sleep(hang)
		synctest.Wait()
		if len(seen) != 2 || seen[observed{A, Answered, 0}] != 1 || seen[observed{AAAA, Timeout, hang}] != 1 {
			t.Errorf("got %v", seen)
		}
	})
}

type observed struct {
	qtype   Type
	outcome Outcome
	took    time.Duration
}

type observer map[observed]int

func (o observer) QueryDone(t Type, outcome Outcome, took time.Duration) {
	o[observed{t, outcome, took}]++
}
