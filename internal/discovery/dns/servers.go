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
	// silenceCounts is how long a server that did not reply is asked last.
	silenceCounts = 30 * time.Second
	// silentTimeout bounds the wait for a server that did not reply lately, so
	// that queries do not pile up when all of them are dead.
	silentTimeout = time.Second
)

// servers are those to ask, and what is known about them.
type servers struct {
	path  string // of the file they come from; "": they do not change
	clock clock.PassiveClock

	mu      sync.Mutex
	config  config
	looked  time.Time // when the file was looked at
	read    os.FileInfo
	turn    int // of rotate
	replied map[netip.AddrPort]time.Time
	silent  map[netip.AddrPort]time.Time // until then
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
		replied: map[netip.AddrPort]time.Time{}, silent: map[netip.AddrPort]time.Time{},
	}
	if len(fixed) > 0 {
		s.path = ""
	}
	return s
}

// plan returns the servers in the order in which they are to be asked, which puts
// those that have been silent last, and whether by TCP alone. It skips so many at
// first.
func (s *servers) plan(skip int) (tries []try, useTCP bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.reread(now)
	if s.config.rotate {
		skip += s.turn
		s.turn++
	}
	first := skip % max(1, len(s.config.servers))
	var last []try
	for _, server := range slices.Concat(s.config.servers[first:], s.config.servers[:first]) {
		if s.silent[server].After(now) {
			last = append(last, try{server, min(silentTimeout, s.config.timeout), 1})
		} else {
			tries = append(tries, try{server, s.config.timeout, s.config.attempts})
		}
	}
	return append(tries, last...), s.config.useTCP
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
		clear(s.replied)
		clear(s.silent)
	}
}

// heard notes a reply, of whatever kind.
func (s *servers) heard(server netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replied[server] = s.clock.Now()
	delete(s.silent, server)
}

// missed notes that no reply came to what was sent at a time. A server that has
// replied to others meanwhile is not silent: it is waiting for somebody else.
func (s *servers) missed(server netip.AddrPort, sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replied[server].Before(sent) {
		s.silent[server] = s.clock.Now().Add(silenceCounts)
	}
}
