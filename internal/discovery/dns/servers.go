// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// rereadAfter is how long a configuration file is not looked at again.
	rereadAfter = 5 * time.Second
	// silenceCounts is how long a silent server is asked last.
	silenceCounts = 30 * time.Second
	// silentAfter is for how many names a server must have missed queries, with no
	// reply to anybody meanwhile, to be silent. One that does not reply about a name
	// may be waiting for the servers of that.
	silentAfter = 3
	// silentTimeout bounds the wait for a silent server, so that queries do not pile
	// up when all are dead. maxPatient queries at a time wait for as long as for
	// others: a server may be slow, and few queries do not pile up.
	silentTimeout = time.Second
	maxPatient    = 32
)

// servers are those to ask, and what is known about them.
//
// A server is silent if it misses a query that another one answers, or queries for
// several names, and has not replied to any that was sent later. It is asked
// last, then by one query in its turn, and so on until it replies: a dead one
// costs one timeout in a while.
type servers struct {
	path  string // of the file they come from; "": they do not change
	clock clock.PassiveClock

	mu      sync.Mutex
	config  config
	looked  time.Time // when the file was looked at
	read    os.FileInfo
	turn    int // of rotate
	known   map[netip.AddrPort]*standing
	patient int // plans that have silent servers waited for
}

// standing is what is known about a server.
type standing struct {
	replied time.Time // when it did last
	missed  []string  // names, since; at most silentAfter
	last    time.Time // it is asked last until then; zero: it is not silent
}

// miss is a query that a server did not reply to.
type miss struct {
	server netip.AddrPort
	name   string
	sent   time.Time
}

// plan is how a query goes about it.
type plan struct {
	tries   []try // in this order
	useTCP  bool  // alone
	most    time.Duration
	patient bool // and so it must be ended
}

// try is one server to be asked.
type try struct {
	server  netip.AddrPort
	timeout time.Duration
	rounds  int // how often it may be asked, if it does not reply
}

func newServers(fixed []netip.AddrPort, path string, c clock.PassiveClock) *servers {
	s := &servers{
		path: path, clock: c, config: defaultConfig(fixed),
		known: map[netip.AddrPort]*standing{},
	}
	if len(fixed) > 0 {
		s.path = ""
	}
	return s
}

// plan returns the servers in the order in which they are to be asked, which puts
// those that are silent last. It skips so many at first. End it.
func (s *servers) plan(skip int) plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.reread(now)
	if s.config.rotate {
		skip += s.turn
		s.turn++
	}
	first := skip % max(1, len(s.config.servers))
	p := plan{useTCP: s.config.useTCP}
	var last []try
	for _, server := range slices.Concat(s.config.servers[first:], s.config.servers[:first]) {
		t := try{server, s.config.timeout, s.config.attempts}
		switch st := s.of(server); {
		case st.last.IsZero():
			p.tries = append(p.tries, t)
		case !st.last.After(now): // its turn, and that of this query alone
			st.last = now.Add(s.config.timeout)
			p.tries = append(p.tries, t)
		case p.patient || s.patient < maxPatient:
			p.patient = true
			last = append(last, t)
		default:
			last = append(last, try{server, min(silentTimeout, s.config.timeout), 1})
		}
	}
	if p.patient {
		s.patient++
	}
	p.tries = append(p.tries, last...)
	for _, t := range p.tries {
		p.most += t.timeout * time.Duration(t.rounds)
	}
	return p
}

// end ends a plan.
func (s *servers) end(p plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.patient {
		s.patient--
	}
}

func (s *servers) of(server netip.AddrPort) *standing {
	st := s.known[server]
	if st == nil {
		st = &standing{}
		s.known[server] = st
	}
	return st
}

// reread takes over what changed in the file. Without servers, which is how it
// looks while somebody writes it, it is not taken over.
func (s *servers) reread(now time.Time) {
	if s.path == "" || !s.looked.IsZero() && now.Sub(s.looked) < rereadAfter {
		return
	}
	s.looked = now
	info, err := os.Stat(s.path)
	if err != nil || s.read != nil && os.SameFile(s.read, info) &&
		s.read.ModTime().Equal(info.ModTime()) && s.read.Size() == info.Size() {
		return
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		return
	}
	if c := parseResolvConf(string(text)); len(c.servers) > 0 {
		s.config, s.read = c, info
		clear(s.known)
	}
}

// heard notes a reply, of whatever kind.
func (s *servers) heard(server netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.of(server) = standing{replied: s.clock.Now()}
}

// missed notes that no reply came.
func (s *servers) missed(m miss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.of(m.server)
	if !st.replied.Before(m.sent) {
		return
	}
	if len(st.missed) < silentAfter && !slices.Contains(st.missed, m.name) {
		st.missed = append(st.missed, m.name)
	}
	if len(st.missed) == silentAfter || !st.last.IsZero() {
		st.last = s.clock.Now().Add(silenceCounts)
	}
}

// outdone notes that another server has an answer to what some missed: it is not
// for the name that they did.
func (s *servers) outdone(missed []miss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range missed {
		if st := s.of(m.server); st.replied.Before(m.sent) {
			st.last = s.clock.Now().Add(silenceCounts)
		}
	}
}
