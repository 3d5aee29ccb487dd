// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurnstile has one namespace come with many and then others with few.
func TestTurnstile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newTurnstile(2)
		if gate.enter("flood")+gate.enter("flood") != 0 {
			t.Error("somebody had to wait although there was room")
		}
		var order []string
		for _, namespace := range []string{"flood", "flood", "flood", "flood", "a", "a", "b"} {
			go func() {
				if waited := gate.enter(namespace); waited < time.Second {
					t.Errorf("%s waited for %s, want what it was", namespace, waited)
				}
				order = append(order, namespace)
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		for range 7 {
			before := len(order)
			gate.leave()
			synctest.Wait()
			if len(order) != before+1 {
				t.Fatalf("%d got in when one left", len(order)-before)
			}
		}
		if want := []string{"flood", "a", "b", "flood", "a", "flood", "flood"}; !slices.Equal(order, want) {
			t.Errorf("they got in as %v, want %v", order, want)
		}
		gate.leave()
		gate.leave()
		if gate.free != 2 || len(gate.queues)+len(gate.turns) != 0 {
			t.Errorf("%+v is left, want two free places and nobody waiting", gate)
		}
	})
}

// TestTurnstileForSeveral: who comes for two namespaces waits behind none but
// those of the one whose turn comes first.
func TestTurnstileForSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newTurnstile(1)
		gate.enter("flood")
		var order []string
		come := func(name string, namespaces ...string) {
			go func() {
				gate.enter(namespaces...)
				order = append(order, name)
			}()
			synctest.Wait()
		}
		for range 3 {
			come("flood", "flood")
		}
		come("both", "flood", "shop")
		come("outside")
		come("shop", "shop")
		for range 6 {
			gate.leave()
			synctest.Wait()
		}
		if want := []string{"flood", "both", "outside", "flood", "shop", "flood"}; !slices.Equal(order, want) {
			t.Errorf("they got in as %v, want %v", order, want)
		}
		if gate.leave(); gate.free != 1 || len(gate.queues)+len(gate.turns) != 0 {
			t.Errorf("%+v is left, want a free place and nobody waiting", gate)
		}
	})
}
