// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd goes through a turnstile in a bubble.
type crowd struct {
	t      *testing.T
	gate   *turnstile
	order  []string // in which they got in
	inside []*pacer // who has not left

	mu     sync.Mutex
	served map[string]time.Duration // inside, of each namespace
}

// visitor comes for some namespaces.
func visitor(namespaces ...string) *visit { return newVisit(context.Background(), namespaces) }

// come has somebody come, and stay when it is its turn.
func (c *crowd) come(name string, namespaces ...string) {
	p := &pacer{gate: c.gate, visit: visitor(namespaces...)}
	go func() {
		if err := p.enter(); err != nil {
			c.t.Error(err)
		}
		c.order, c.inside = append(c.order, name), append(c.inside, p)
	}()
	synctest.Wait()
}

// leave has the one leave who got in first.
func (c *crowd) leave() {
	p := c.inside[0]
	c.inside = c.inside[1:]
	p.leave()
	synctest.Wait()
}

func (c *crowd) wantOrder(want ...string) {
	c.t.Helper()
	if !slices.Equal(c.order, want) {
		c.t.Errorf("they got in as %v, want %v", c.order, want)
	}
}

// wantEmpty checks that a turnstile is as it was made.
func wantEmpty(t *testing.T, gate *turnstile) {
	t.Helper()
	gate.mu.Lock()
	defer gate.mu.Unlock()
	if gate.free != gate.limit || len(gate.accounts)+len(gate.ready.slots) != 0 {
		t.Errorf("%d of %d places are free and %d accounts are left", gate.free, gate.limit, len(gate.accounts))
	}
}

// TestTurnstile has one namespace come with many and then others with few.
func TestTurnstile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, gate: newTurnstile(2, 2)}
		for _, namespace := range []string{"flood", "flood", "flood", "flood", "flood", "flood", "a", "a", "b"} {
			c.come(namespace, namespace)
		}
		c.wantOrder("flood", "flood")
		for len(c.inside) > 0 {
			c.leave()
		}
		// The turns take no time, so they count alike.
		if got := c.order[2:6]; !slices.Equal(slices.Sorted(slices.Values(got)), []string{"a", "a", "b", "flood"}) {
			t.Errorf("after the first two, %v got in", c.order[2:])
		}
		wantEmpty(t, c.gate)
	})
}

// TestTurnstileForSeveral: who comes for two namespaces waits behind none but
// those of the one whose turn comes first.
func TestTurnstileForSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, gate: newTurnstile(1, 1)}
		for range 4 {
			c.come("flood", "flood")
		}
		time.Sleep(time.Second)
		c.come("both", "flood", "shop")
		c.leave()
		c.come("outside")
		c.come("shop", "shop")
		time.Sleep(time.Minute)
		for len(c.inside) > 0 {
			c.leave()
		}
		c.wantOrder("flood", "both", "outside", "flood", "flood", "flood", "shop")
		wantEmpty(t, c.gate)
	})
}

// work has many of a namespace go through for turns of a length, until a time.
func (c *crowd) work(workers *sync.WaitGroup, namespace string, turn time.Duration, until time.Time) {
	for range 20 {
		workers.Go(func() {
			p := &pacer{gate: c.gate, visit: visitor(namespace)}
			for time.Now().Before(until) {
				if err := p.enter(); err != nil {
					c.t.Error(err)
				}
				time.Sleep(turn)
				p.leave()
				c.mu.Lock()
				c.served[namespace] += turn
				c.mu.Unlock()
			}
		})
	}
}

// counts returns for how long those of two namespaces were inside so far.
func (c *crowd) counts() (flood, shop time.Duration) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.served["flood"], c.served["shop"]
}

// TestTurnsAreFairByTime: whose turns take 350 times as long as those of another has
// a 350th of the turns, also if it was alone before, or the other one was.
func TestTurnsAreFairByTime(t *testing.T) {
	const turn, over = 350 * time.Millisecond, 70 * time.Second
	for name, tc := range map[string]struct{ flood, shop time.Duration }{ // when they come
		"at the same time": {}, "the flood was there": {0, time.Minute}, "the flood comes": {time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &crowd{t: t, gate: newTurnstile(1, 1), served: map[string]time.Duration{}}
				var workers sync.WaitGroup
				until := time.Now().Add(max(tc.flood, tc.shop) + over)
				time.AfterFunc(tc.flood, func() { c.work(&workers, "flood", turn, until) })
				time.AfterFunc(tc.shop, func() { c.work(&workers, "shop", time.Millisecond, until) })
				time.Sleep(max(tc.flood, tc.shop))
				flood, shop := c.counts()
				time.Sleep(over - time.Second)
				floodNow, shopNow := c.counts()
				if more := floodNow - flood - (shopNow - shop); more.Abs() > 2*turn {
					t.Errorf("in %s one namespace was inside for %s longer than the other", over, more)
				}
				time.Sleep(time.Minute) // until all have left
				workers.Wait()
				wantEmpty(t, c.gate)
			})
		})
	}
}

// TestPlacesOfOneNamespace: it has a part of them, whoever else comes.
func TestPlacesOfOneNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, gate: newTurnstile(4, 2)}
		for range 5 {
			c.come("flood", "flood")
		}
		c.wantOrder("flood", "flood")
		c.come("shop", "shop")
		c.come("both", "flood", "other")
		c.wantOrder("flood", "flood", "shop", "both")
		for len(c.inside) > 0 {
			c.leave()
		}
		if len(c.order) != 7 {
			t.Errorf("%d got in, want 7", len(c.order))
		}
		wantEmpty(t, c.gate)
	})
}

// TestWaitingEnds with the check, and when it has taken as long as the check may.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, gate: newTurnstile(1, 1)}
		c.come("flood", "flood")
		canceled, impatient := visitor("shop", "flood"), visitor("shop")
		impatient.start(3 * time.Second)
		defer impatient.stop()
		ended := make(chan error)
		for _, v := range []*visit{canceled, impatient} {
			go func() {
				_, err := c.gate.enter(v)
				ended <- err
			}()
		}
		time.Sleep(time.Second)
		canceled.end(context.Canceled)
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		begin := time.Now()
		if err := <-ended; !errors.Is(err, errNoTurn) || time.Since(begin) != 2*time.Second {
			t.Errorf("got %v after another %s, want its own timeout", err, time.Since(begin))
		}
		c.come("after them", "shop")
		c.leave()
		c.wantOrder("flood", "after them")
		c.leave()
		wantEmpty(t, c.gate)
	})
}

// TestNothingIsReadWithoutATurn: what has come is not worked on outside.
func TestNothingIsReadWithoutATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newTurnstile(1, 1)
		v := visitor("shop")
		v.start(time.Second)
		defer v.stop()
		p, q := &pacer{gate: gate, visit: v}, &pacer{gate: gate, visit: visitor("flood")}
		if err := p.enter(); err != nil {
			t.Fatal(err)
		}
		taken := readerFunc(func(b []byte) (int, error) { return len(b), q.enter() })
		if n, err := p.read(taken, make([]byte, 9)); n != 0 || !errors.Is(err, errNoTurn) {
			t.Errorf("read %d bytes, %v", n, err)
		}
		p.leave() // has no turn to end
		q.leave()
		wantEmpty(t, gate)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestAccountsAreDropped of namespaces that have gone, also while others are there.
func TestAccountsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newTurnstile(2, 1)
		held := &pacer{gate: gate, visit: visitor("held")}
		if err := held.enter(); err != nil {
			t.Fatal(err)
		}
		for i := range 10000 {
			p := &pacer{gate: gate, visit: visitor(string(rune('a' + i)))}
			if err := p.enter(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			p.leave()
		}
		if n := len(gate.accounts); n > 100 {
			t.Errorf("%d accounts are kept", n)
		}
		held.leave()
		wantEmpty(t, gate)
	})
}
