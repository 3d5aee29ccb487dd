// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a resolver whose time is that of a bubble, and what it asks.
type world struct {
	*Resolver[string]
	stop context.CancelFunc
	done chan error

	mu       sync.Mutex
	begin    time.Time
	answers  map[string]answer // by question, or "*"
	hanging  map[string]bool   // those do not reply: after a time, that is a timeout
	asked    map[string][]time.Duration
	inFlight map[string]int // by the name's last label
	most     map[string]int
	told     []string
}

// hang is how long a query takes that nobody replies to.
const hang = 20 * time.Second

// inWorld runs a test in a bubble, with a resolver that has not been started.
// Subscribers are named namespace/name.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			begin: time.Now(), answers: map[string]answer{}, hanging: map[string]bool{},
			asked: map[string][]time.Duration{}, inFlight: map[string]int{}, most: map[string]int{},
		}
		w.Resolver = New(Options[string]{
			Changed: func(sub string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.told = append(w.told, sub)
			},
			Group: func(sub string) string { return sub[:strings.Index(sub, "/")] },
		})
		w.ask = w.reply
		test(t, w)
		if w.stop != nil {
			w.stop()
			if err := <-w.done; err != nil {
				t.Error(err)
			}
		}
	})
}

func (w *world) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w.stop, w.done = cancel, make(chan error, 1)
	go func() { w.done <- w.Start(ctx) }()
	synctest.Wait()
}

func (w *world) reply(ctx context.Context, q Question, _ int) answer {
	name := q.String()
	zone := q.Name[strings.LastIndex(q.Name, ".")+1:]
	w.mu.Lock()
	w.asked[name] = append(w.asked[name], time.Since(w.begin))
	w.inFlight[zone]++
	w.most[zone] = max(w.most[zone], w.inFlight[zone])
	a, ok := w.answers[name]
	if !ok {
		a = w.answers["*"]
	}
	hangs := w.hanging[name] || w.hanging[zone]
	w.mu.Unlock()
	if hangs {
		a = told(Timeout)
		select {
		case <-time.After(hang):
		case <-ctx.Done():
		}
	}
	w.mu.Lock()
	w.inFlight[zone]--
	w.mu.Unlock()
	return a
}

// set changes what is answered.
func (w *world) set(question string, a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[question] = a
}

// hangs says whether queries for a name or a zone are replied to.
func (w *world) hangs(what string, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hanging[what] = yes
}

// underWay returns how many queries for names of a zone are, and at most were.
func (w *world) underWay(zone string) (now, most int) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight[zone], w.most[zone]
}

// forget whom was told.
func (w *world) forget() {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = nil
}

// times returns when a question was asked.
func (w *world) times(question string) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked[question])
}

// expect checks a question's state, and which subscribers were told since
// the last time.
func (w *world) expect(t *testing.T, question, want string, told ...string) {
	t.Helper()
	synctest.Wait()
	got := "nothing"
	if snapshot := w.Lookup(ask(question)); snapshot != nil {
		got = state(snapshot)
	}
	if got != want {
		t.Errorf("after %s, %s: got %s, want %s", time.Since(w.begin), question, got, want)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.told)
	if w.told = slices.Compact(w.told); !slices.Equal(w.told, told) {
		t.Errorf("after %s: %v were told, want %v", time.Since(w.begin), w.told, told)
	}
	w.told = nil
}

// ask reads "db.example A".
func ask(text string) Question {
	name, qtype, _ := strings.Cut(text, " ")
	types := map[string]Type{"A": A, "AAAA": AAAA, "SRV": SRV}
	return Question{name, types[qtype]}
}

func asks(texts ...string) (questions []Question) {
	for _, text := range texts {
		questions = append(questions, ask(text))
	}
	return questions
}

// names returns n questions in a zone.
func names(n int, zone string) (questions []Question) {
	for i := range n {
		questions = append(questions, Question{fmt.Sprintf("n%d.%s", i, zone), A})
	}
	return questions
}
