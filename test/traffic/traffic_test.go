// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestAnswersAreReadAsTheyAreWritten(t *testing.T) {
	want := Answer{Host: "rack-a", Port: 8080}
	if got, err := ParseAnswer(want.String()); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, text := range []string{"", "rack-a", "rack-a 70000", "rack-a 80 90", "<html>not found</html>"} {
		if got, err := ParseAnswer(text); err == nil {
			t.Errorf("%q is taken for the answer %+v", text, got)
		}
	}
}

// A request that is not answered by an external host fails, whoever answers it.
func TestFetch(t *testing.T) {
	want := Answer{Host: "rack-a", Port: 8080}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Connection") != "close" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, want.String())
	}))
	defer server.Close()
	to := netip.MustParseAddrPort(server.Listener.Addr().String())
	if got, err := Fetch(t.Context(), NewClient(nil), to); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	keeping := &http.Client{Transport: &http.Transport{}}
	defer keeping.CloseIdleConnections()
	if got, err := Fetch(t.Context(), keeping, to); err == nil {
		t.Errorf("got %+v with status 503", got)
	}
	server.Close()
	if got, err := Fetch(t.Context(), NewClient(nil), to); err == nil {
		t.Errorf("got %+v of a server that is gone", got)
	}
}

// TestPulse: a request that a stalled client sent is told apart from one that the
// network held up.
func TestPulse(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	p := pulse{last: at(0)}
	for _, ms := range []int{5, 10, 60, 65, 3065, 3070} {
		p.beat(at(ms))
	}
	for _, tt := range []struct{ from, to, want int }{
		{0, 60, 0},
		{64, 3066, 3000},
		{1065, 3066, 2000},
		{64, 66, 1},
		{3066, 3070, 0},
		{3066, 6070, 3000}, // it stands still
	} {
		if got, want := p.stalled(at(tt.from), at(tt.to)), time.Duration(tt.want)*time.Millisecond; got != want {
			t.Errorf("between %d and %d ms: %s, want %s", tt.from, tt.to, got, want)
		}
	}
}
