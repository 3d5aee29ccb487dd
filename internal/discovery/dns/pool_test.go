// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// hosts returns the numbers from one to another.
func hosts(from, to int) (numbers []int) {
	for n := from; n <= to; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// shown is a set whose time goes on with its pauses.
type shown struct {
	*set
	now time.Time
}

func newShown() *shown { return &shown{newSet(DefaultMinTTL, DefaultMaxTTL), epoch} }

func (s *shown) show(a answer) { s.now = s.now.Add(s.step(&a, s.now)) }

func (s *shown) has(host int) bool { return slices.Contains(s.snapshot.Addrs, addr(host)) }

// TestMembersThatAreAnsweredStay though the answers have more records than are
// served, and those of lower numbers are new.
func TestMembersThatAreAnsweredStay(t *testing.T) {
	s := newShown()
	s.show(said(30*time.Second, 200))
	for range 10 {
		s.show(said(30*time.Second, append(hosts(1, 64), 200)...))
		if got := s.snapshot; !s.has(200) || s.has(64) || len(got.Addrs) != maxAnswerAddrs || got.Dropped != 1 {
			t.Fatalf("%d members and %d dropped: %v", len(got.Addrs), got.Dropped, got.Addrs)
		}
	}
	for range 10 { // 200 records, of which 64 are members, and others in another answer
		s.show(said(30*time.Second, hosts(300, 499)...))
		s.show(said(30*time.Second, append(hosts(1, 64), 200)...))
	}
	if got := s.snapshot; !s.has(200) || !s.has(363) || s.has(364) || len(got.Addrs) != 2*maxAnswerAddrs || got.Dropped != 1 {
		t.Errorf("%d members and %d dropped: %v", len(got.Addrs), got.Dropped, got.Addrs)
	}
	before := s.snapshot.Addrs
	for range 10 { // all of them in one answer
		s.show(said(30*time.Second, append(append(hosts(1, 64), 200), hosts(300, 363)...)...))
	}
	if got := s.snapshot; !slices.Equal(got.Addrs, before) || got.Dropped != 1 {
		t.Errorf("%d members and %d dropped: %v", len(got.Addrs), got.Dropped, got.Addrs)
	}
}

// TestServicesThatAreAnsweredStay as addresses do.
func TestServicesThatAreAnsweredStay(t *testing.T) {
	s := newShown()
	last := Service{"z.example", 1, 90, 0}
	s.show(answer{outcome: Answered, services: []Service{last}})
	many := answer{outcome: Answered}
	for i := range maxAnswerServices + 3 {
		many.services = append(many.services, Service{fmt.Sprintf("h%02d.example", i), 1, 10, 0})
	}
	many.services = append(many.services, last)
	for range 30 {
		s.show(many)
	}
	if got := s.snapshot; len(got.Services) != maxAnswerServices || got.Services[maxAnswerServices-1] != last || got.Dropped != 4 {
		t.Errorf("%d dropped: %v", got.Dropped, got.Services)
	}
}

// TestAnswersThatAreNotReadToTheirEnd tell nothing about what is not in them.
func TestAnswersThatAreNotReadToTheirEnd(t *testing.T) {
	s := newShown()
	s.show(said(30*time.Second, 2000))
	for range 20 {
		a := said(30*time.Second, hosts(1, maxRecords)...)
		a.dropped = 1
		s.show(a)
	}
	if got := s.snapshot; !s.has(2000) || got.Dropped != maxRecords-maxAnswerAddrs+1 {
		t.Errorf("%d dropped: %v", got.Dropped, got.Addrs)
	}
}

// part is one of 32 answers with eight addresses each, in turn.
func part(i int) answer { return said(0, hosts(i%32*8, i%32*8+7)...) }

// TestFullPoolLetsTheCurrentAnswerIn: a name that moves is served where it is, and
// one record in one answer alone changes nothing.
func TestFullPoolLetsTheCurrentAnswerIn(t *testing.T) {
	s := newShown()
	for i := range 400 {
		s.show(part(i))
	}
	before := s.snapshot
	if len(before.Addrs) != MaxAddrs || before.Dropped != 0 {
		t.Fatalf("%d members", len(before.Addrs))
	}
	moved := said(0, 1001, 1002)
	s.show(moved)
	if s.has(1001) || len(s.snapshot.Addrs) != MaxAddrs || s.snapshot.Dropped != 2 {
		t.Errorf("after one answer: %d members, %d dropped", len(s.snapshot.Addrs), s.snapshot.Dropped)
	}
	s.show(moved)
	if !s.has(1001) || !s.has(1002) || len(s.snapshot.Addrs) != MaxAddrs {
		t.Errorf("after two answers: %d members, %d dropped", len(s.snapshot.Addrs), s.snapshot.Dropped)
	}
	gone := slices.DeleteFunc(slices.Clone(before.Addrs), func(a netip.Addr) bool { return slices.Contains(s.snapshot.Addrs, a) })
	if oldest := part(400).addrs[:2]; !slices.Equal(gone, oldest) { // it would have come next
		t.Errorf("in their place went %v, want those that have been missing for longest, %v", gone, oldest)
	}
	dropped := s.snapshot
	for range 20 {
		s.show(moved)
	}
	if s.snapshot != dropped {
		t.Error("answers that say the same change something")
	}
}

// TestRestartKeepsAPool: nothing of a pool of which answers are parts counts as
// gone after a restart before it has come round.
func TestRestartKeepsAPool(t *testing.T) {
	s := newShown()
	i := 0
	for ; i < 400; i++ {
		s.show(part(i))
	}
	restarted := newShown()
	for restarted.snapshot == nil || !restarted.snapshot.Settled {
		restarted.show(part(i))
		i++
	}
	if !slices.Equal(restarted.snapshot.Addrs, s.snapshot.Addrs) {
		t.Errorf("%d of %d addresses are known when it is settled", len(restarted.snapshot.Addrs), len(s.snapshot.Addrs))
	}
}

// TestSettledAtLast: a name that has new addresses for ever is settled some time.
func TestSettledAtLast(t *testing.T) {
	s := newShown()
	for i := 0; s.snapshot == nil || !s.snapshot.Settled; i++ {
		if s.now.Sub(epoch) > maxStretch {
			t.Fatal("it is not settled")
		}
		s.show(said(5*time.Second, i))
	}
	if took := s.now.Sub(epoch); took < maxStretch {
		t.Errorf("it is settled after %s", took)
	}
}

// by has CNAME records lead to what an answer has.
func by(a answer, chain ...string) answer {
	a.chain = chain
	return a
}

// chains shows the chain of each member.
func chains(s *Snapshot) string {
	var all []string
	for i, addr := range s.Addrs {
		all = append(all, fmt.Sprintf("%s by %s", strings.TrimPrefix(addr.String(), "192.0.2"), strings.Join(s.Chain(i), ">")))
	}
	for i, service := range s.Services {
		all = append(all, fmt.Sprintf("%s by %s", service.Host, strings.Join(s.Chain(i), ">")))
	}
	return strings.Join(all, ", ")
}

// TestMembersKeepTheChainTheyCameBy until another answer has them.
func TestMembersKeepTheChainTheyCameBy(t *testing.T) {
	s := newShown()
	for i, step := range []struct {
		heard answer
		want  string
	}{
		{by(said(0, 1, 66), "a.example", "b.example"), ".1 by a.example>b.example, .66 by a.example>b.example"},
		{said(0, 1), ".1 by , .66 by a.example>b.example"},
		{by(said(0, 2), "c.example"), ".1 by , .2 by c.example, .66 by a.example>b.example"},
		{by(told(Empty), "d.example"), ".1 by , .2 by c.example, .66 by a.example>b.example"},
		{told(Timeout), ".1 by , .2 by c.example, .66 by a.example>b.example"},
		{by(said(0, 1, 2), "a.example", "b.example"), ".1 by a.example>b.example, .2 by a.example>b.example, .66 by a.example>b.example"},
		{said(0, 1, 2, 66), ".1 by , .2 by , .66 by "},
	} {
		s.show(step.heard)
		if got := chains(s.snapshot); got != step.want {
			t.Errorf("step %d: got %s, want %s", i, got, step.want)
		}
	}
	if len(s.addrs.chains) > 0 {
		t.Errorf("chains are kept by which nothing came: %v", s.addrs.chains)
	}

	s = newShown() // in the order of its readers
	s.show(by(answer{outcome: Answered, services: []Service{{"a.example", 1, 10, 0}}}, "c.example"))
	s.show(answer{outcome: Answered, services: []Service{{"b.example", 1, 20, 0}}})
	if got := chains(s.snapshot); got != "b.example by , a.example by c.example" {
		t.Errorf("got %s", got)
	}
}

// TestChainsAreBounded: a zone whose answers come by ever more and long chains has
// those members only that can be vetted.
func TestChainsAreBounded(t *testing.T) {
	s := newShown()
	for i := range 3 * MaxAddrs {
		var chain []string
		for n := range maxChain {
			chain = append(chain, fmt.Sprintf("%s.%d.%d", strings.Repeat("a", 240), i, n))
		}
		s.show(by(said(0, i), chain...))
		size := 0
		for _, c := range s.addrs.chains {
			size += c.size()
		}
		if size > maxChains || !s.has(i) || len(s.addrs.known) != len(s.addrs.chains) || i > 0 && !s.has(i-1) {
			t.Fatalf("after %d chains: %d bytes of %d chains, %d records", i+1, size, len(s.addrs.chains), len(s.addrs.known))
		}
	}
}
