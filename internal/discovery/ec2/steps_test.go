// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// steps is a source whose turns a test takes itself.
type steps struct {
	*cloud
	*Discoverer[string]
	clock  *clocktesting.FakeClock
	source *source
}

var here = Source{"default", "eu-west-1"}

func newSteps(instances ...Instance) *steps {
	s := &steps{cloud: newCloud(instances...), clock: clocktesting.NewFakeClock(time.Unix(1e9, 0))}
	s.Discoverer = New(Options[string]{Connector: s.cloud, Clock: s.clock})
	s.SetIdentity("default", Identity{})
	return s
}

// ask makes a query that of a subscriber: "i-1 vpc-id=a known i-2 tag role".
func (s *steps) ask(sub, text string) {
	s.Ensure(sub, []Query{parseQuery(text)})
	s.source = s.hub.find(here)
}

func parseQuery(text string) Query {
	q := Query{Name: "q", Source: here}
	text, q.InterfaceTag, _ = strings.Cut(text, " tag ")
	text, known, _ := strings.Cut(text, "known")
	q.Selector, q.Known = selects(text), strings.Fields(known)
	return q
}

// list waits until the next listing is due, and takes the turn. It returns how long
// it waited.
func (s *steps) list(t interface{ Context() context.Context }) time.Duration {
	before, waited := s.source.m.begun, time.Duration(0)
	for {
		pause := s.source.listTurn(t.Context())
		if !s.source.m.begun.Equal(before) {
			s.options(t)
			return waited
		}
		s.clock.Step(pause)
		waited += pause
	}
}

// options takes the turns that follow a listing, as far as they are due.
func (s *steps) options(t interface{ Context() context.Context }) {
	for s.source.groupTurn(t.Context()) <= 0 {
	}
	for s.source.tagTurn(t.Context()) <= 0 {
	}
}

// shown describes what a subscriber is told.
func (s *steps) shown(sub string) string { return show(s.Lookup(sub, "q")) }

// show describes a snapshot.
func show(s *Snapshot) string {
	if s == nil {
		return "nothing"
	}
	var words []string
	if s.Listed.IsZero() {
		words = append(words, "unlisted")
	}
	for _, i := range s.Matching {
		words = append(words, i.ID+mark(i))
	}
	for _, i := range s.Others {
		words = append(words, "other:"+i.ID+mark(i))
	}
	for _, id := range s.Missing {
		words = append(words, "missing:"+id)
	}
	if s.Failure != nil {
		words = append(words, string(s.Failure.Kind))
	}
	return strings.Join(words, " ")
}

func mark(i *Instance) string {
	text := ""
	if i.State != Running {
		text += "(" + string(i.State) + ")"
	}
	if i.Lifecycle != "" {
		text += "(" + i.Lifecycle + ")"
	}
	if i.LifecycleUnknown {
		text += "(group?)"
	}
	if i.StatusUnknown {
		text += "(status?)"
	}
	if i.Impaired {
		text += "(impaired)"
	}
	if !i.Interrupted.IsZero() {
		text += "(interrupted)"
	}
	return text
}

func (s *steps) expect(t *testing.T, sub, want string) {
	t.Helper()
	if got := s.shown(sub); got != want {
		t.Errorf("%s: got %q, want %q", sub, got, want)
	}
}

func (s *steps) expectCalls(t *testing.T, want ...string) {
	t.Helper()
	got := s.took()
	for n := range got {
		got[n] = strings.TrimPrefix(got[n], here.Region+" ")
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got calls %q, want %q", got, want)
	}
}
