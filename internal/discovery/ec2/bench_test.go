// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"testing"
	"time"
)

// large is a source with 5,000 instances and 1,000 queries.
func large() (*machine, *refresh) {
	m, now := newMachine(DefaultRefresh), time.Unix(1e9, 0)
	m.known = true
	r := &refresh{plan: plan{listing: true}, begun: now, found: map[string]*Instance{}}
	for n := range 5000 {
		i := instance(fmt.Sprintf("i-%017x", n), fmt.Sprintf("app=%d", n%1000), "env=prod")
		r.found[i.ID] = &i
	}
	for n := range 1000 {
		m.add(&query{Query: parseQuery(fmt.Sprintf("tag:app=%d tag:env=pr*d", n))}, now)
	}
	m.step(r, now, 0)
	m.evaluate()
	return m, r
}

// BenchmarkUnchanged is a refresh that brings what is known.
func BenchmarkUnchanged(b *testing.B) {
	m, r := large()
	b.ReportAllocs()
	for b.Loop() {
		m.step(r, r.begun, 0)
		if changed := m.evaluate(); len(changed) > 0 {
			b.Fatal("something changed")
		}
	}
}

// BenchmarkOneChanged is one in which an instance is another.
func BenchmarkOneChanged(b *testing.B) {
	m, r := large()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		i := *r.found["i-00000000000000001"]
		i.Type = fmt.Sprint(n)
		r.found[i.ID] = &i
		m.step(r, r.begun, 0)
		if changed := m.evaluate(); len(changed) != 1 {
			b.Fatalf("%d queries changed", len(changed))
		}
	}
}

// BenchmarkAllEvaluated is one after which every query is answered anew, since
// every instance could be another.
func BenchmarkAllEvaluated(b *testing.B) {
	m, _ := large()
	b.ReportAllocs()
	for b.Loop() {
		for id := range m.records {
			m.dirty[id] = struct{}{}
		}
		m.evaluate()
	}
}
