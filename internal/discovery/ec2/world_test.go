// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// world is a discoverer that runs in a bubble, by a clock that the test moves.
type world struct {
	*steps
	told    sync.Mutex
	changed []string
}

func inWorld(t *testing.T, identity Identity, instances []Instance, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{steps: &steps{cloud: newCloud(instances...), clock: clocktesting.NewFakeClock(time.Unix(1e9, 0))}}
		note := func(who string) {
			w.told.Lock()
			defer w.told.Unlock()
			w.changed = append(w.changed, who)
		}
		w.Discoverer = New(Options[string]{
			Connector: w.cloud, Clock: w.clock, Changed: note,
			IdentityChanged: func(name string) { note("identity " + name) },
		})
		w.SetIdentity("default", identity)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Start(ctx) }()
		synctest.Wait()
		test(t, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	synctest.Wait()
	for moment := 100 * time.Millisecond; d > 0; d -= moment {
		w.clock.Step(moment)
		synctest.Wait()
	}
}

// tells returns who was told since it was called last.
func (w *world) tells() []string {
	synctest.Wait()
	w.told.Lock()
	defer w.told.Unlock()
	who := w.changed
	w.changed = nil
	slices.Sort(who)
	return slices.Compact(who)
}

func TestSubscribersAreTold(t *testing.T) {
	inWorld(t, Identity{}, []Instance{instance("i-1", "app=web"), instance("i-2", "app=db")}, func(t *testing.T, w *world) {
		w.ask("a", "tag:app=web")
		w.ask("b", "tag:app=db,web")
		w.pass(time.Second)
		if got := w.tells(); !slices.Equal(got, []string{"a", "b", "identity default"}) {
			t.Errorf("told: %v", got)
		}
		w.pass(time.Minute)
		if got := w.tells(); got != nil {
			t.Errorf("nothing changed, and told are %v", got)
		}
		w.change("i-2", func(i *Instance) { i.State = Stopped })
		w.pass(time.Minute)
		if got := w.tells(); !slices.Equal(got, []string{"b"}) {
			t.Errorf("told: %v", got)
		}
		w.expect(t, "b", "i-1 i-2(stopped)")
		w.Forget("a")
		w.Forget("b")
		w.expect(t, "b", "nothing")
		w.took()
		w.pass(time.Minute)
		w.expectCalls(t)
		if got := w.Sources(); len(got) != 0 {
			t.Errorf("sources: %v", got)
		}
	})
}

func TestIdentities(t *testing.T) {
	inWorld(t, Identity{}, []Instance{instance("i-1", "app=web")}, func(t *testing.T, w *world) {
		q := parseQuery("tag:app=web")
		q.Source.Identity = "other"
		w.Ensure("a", []Query{q})
		w.pass(time.Minute)
		w.expect(t, "a", "nothing")
		w.tells()
		w.SetIdentity("other", Identity{Unusable: true})
		w.pass(time.Second)
		w.expect(t, "a", "unlisted CredentialsUnavailable")
		if got := w.tells(); !slices.Equal(got, []string{"a", "identity other"}) {
			t.Errorf("told: %v", got)
		}
		w.took("caller")
		w.pass(time.Minute)
		w.expectCalls(t)
		w.SetIdentity("other", Identity{Role: &Role{ARN: "role "}})
		w.pass(time.Second)
		w.expect(t, "a", "i-1")
		report, ok := w.Identity("other")
		if !ok || report.Caller != w.caller || len(report.Regions) != 1 || report.Regions[0].Failure != nil {
			t.Errorf("got %+v", report)
		}
		w.took()
		w.SetIdentity("other", Identity{Role: &Role{ARN: "role "}})
		w.pass(time.Second)
		w.expectCalls(t)
		w.failing("list", &Failure{Kind: CredentialsInvalid})
		w.SetIdentity("other", Identity{Role: &Role{ARN: "another "}})
		w.pass(time.Second)
		w.expect(t, "a", "i-1 CredentialsInvalid")
		w.DropIdentity("other")
		w.expect(t, "a", "nothing")
		if _, ok := w.Identity("other"); ok {
			t.Error("it is still known")
		}
		w.took()
		w.pass(time.Minute)
		w.expectCalls(t)
	})
}

func TestAHangingSourceDelaysNoOther(t *testing.T) {
	inWorld(t, Identity{}, []Instance{instance("i-1", "app=web")}, func(t *testing.T, w *world) {
		hang := make(chan struct{})
		w.hangs = func(call string) <-chan struct{} {
			if call[:4] == "hang" {
				return hang
			}
			return nil
		}
		for n := range maxRefreshes {
			q := parseQuery("tag:app=web")
			q.Source.Region = "hang-" + string(rune('a'+n))
			w.Ensure(q.Source.Region, []Query{q})
		}
		w.pass(time.Second)
		w.ask("a", "tag:app=web")
		w.pass(slotLimit + time.Second)
		w.expect(t, "a", "i-1")
		w.pass(refreshLimit)
		w.expect(t, "hang-a", "unlisted Unavailable")
		close(hang)
		w.pass(maxFailing)
		w.expect(t, "hang-a", "i-1")
	})
}
