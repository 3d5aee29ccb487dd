// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	addrA = netip.MustParseAddr("192.0.2.11")
	addrB = netip.MustParseAddr("192.0.2.12")
)

func slice(name, version string, ready map[netip.Addr]bool) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
	for addr, r := range ready {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{addr.String()},
			Conditions: discoveryv1.EndpointConditions{Ready: new(r), Serving: new(r), Terminating: new(false)},
		})
	}
	return s
}

func TestBoardNotesTransitionsOnly(t *testing.T) {
	b := newBoard()
	b.set(slice("s", "1", map[netip.Addr]bool{addrA: true, addrB: true}), at(1))
	b.set(slice("s", "2", map[netip.Addr]bool{addrA: true, addrB: true}), at(2))
	b.set(slice("s", "3", map[netip.Addr]bool{addrA: false, addrB: true}), at(3))
	b.remove("s", at(4))
	got, writes := b.history()
	if writes != 4 {
		t.Errorf("writes = %d, want 4", writes)
	}
	want := map[transition]bool{
		{at(1), addrA, conditions{}, healthy}:   true,
		{at(1), addrB, conditions{}, healthy}:   true,
		{at(3), addrA, healthy, unhealthy}:      true,
		{at(4), addrA, unhealthy, conditions{}}: true,
		{at(4), addrB, healthy, conditions{}}:   true,
	}
	if len(got) != len(want) {
		t.Errorf("got %d transitions, want %d: %v", len(got), len(want), got)
	}
	for _, tr := range got {
		if !want[tr] {
			t.Errorf("unexpected transition %v", tr)
		}
	}
}

func TestBoardReadsUnsetConditionsAsTheAPISays(t *testing.T) {
	b := newBoard()
	s := slice("s", "1", nil)
	s.Endpoints = []discoveryv1.Endpoint{
		{Addresses: []string{addrA.String()}},
		{Addresses: []string{addrB.String()}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}},
	}
	b.set(s, at(1))
	if got := b.of(addrA); got != healthy {
		t.Errorf("all unset reads as %v, want ready and serving", got)
	}
	if got := b.of(addrB); got != unhealthy {
		t.Errorf("ready=false alone reads as %v, want neither ready nor serving", got)
	}
}

func TestBoardTakesAnAddressInTwoSlicesAsReadyIfOneSaysSo(t *testing.T) {
	b := newBoard()
	b.set(slice("old", "1", map[netip.Addr]bool{addrA: true}), at(1))
	b.set(slice("new", "2", map[netip.Addr]bool{addrA: false}), at(2))
	if got := b.of(addrA); got != healthy {
		t.Errorf("conditions = %v, want ready: clients still use it", got)
	}
}

func TestBoardWaitsForTheLastOfTheAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.set(slice("s", "1", map[netip.Addr]bool{addrA: true, addrB: true}), at(1))
		result := make(chan error, 1)
		go func() {
			since, err := b.wait(t.Context(), []netip.Addr{addrA, addrB}, unhealthy)
			if err == nil && !since.Equal(at(3)) {
				err = errors.New("not the time of the last flip: " + since.String())
			}
			result <- err
		}()
		b.set(slice("s", "2", map[netip.Addr]bool{addrA: false, addrB: true}), at(2))
		synctest.Wait()
		select {
		case err := <-result:
			t.Fatalf("wait returned (%v) when one address of two had flipped", err)
		default:
		}
		b.set(slice("s", "3", map[netip.Addr]bool{addrA: false, addrB: false}), at(3))
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

func TestBoardStopsWaitingWithTheContextsCause(t *testing.T) {
	cause := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := newBoard().wait(ctx, []netip.Addr{addrA}, healthy); !errors.Is(err, cause) {
		t.Errorf("error = %v, want %v", err, cause)
	}
}

func TestBoardTellsVersions(t *testing.T) {
	b := newBoard()
	b.set(slice("s", "7", nil), at(1))
	if got := b.versions(); len(got) != 1 || got["s"] != "7" {
		t.Errorf("versions = %v, want s at 7", got)
	}
}
