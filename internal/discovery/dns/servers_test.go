// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

func ports(texts ...string) (servers []netip.AddrPort) {
	for _, text := range texts {
		servers = append(servers, netip.MustParseAddrPort(text))
	}
	return servers
}

func TestParseResolvConf(t *testing.T) {
	plain := func(servers ...string) config {
		return config{servers: ports(servers...), timeout: 5 * time.Second, attempts: 2}
	}
	for _, tt := range []struct {
		name, text string
		want       config
	}{
		{"nothing", "", plain()},
		{"a server", "nameserver 192.0.2.53\n", plain("192.0.2.53:53")},
		{"no newline at the end", "nameserver 192.0.2.53", plain("192.0.2.53:53")},
		{"tabs and comments", "# old\n; nameserver 192.0.2.1\nnameserver\t192.0.2.53 # new\r\n", plain("192.0.2.53:53")},
		{
			"IPv6, with and without a zone", "nameserver 2001:db8::53\nnameserver fe80::1%eth0\n",
			plain("[2001:db8::53]:53", "[fe80::1%eth0]:53"),
		},
		{
			"three servers, as in the C library", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
			plain("192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"),
		},
		{"what is no address is skipped", "nameserver\nnameserver dns.example\nnameserver 192.0.2.53\n", plain("192.0.2.53:53")},
		{"search lists are ignored", "domain example\nsearch a.example b.example\noptions ndots:5\n", plain()},
		{
			"options", "options timeout:2 attempts:3 rotate use-vc edns0\n",
			config{timeout: 2 * time.Second, attempts: 3, rotate: true, useTCP: true},
		},
		{"options over the top", "options timeout:300 attempts:300\n", config{timeout: 30 * time.Second, attempts: 5}},
		{"options that make no sense", "options timeout: attempts:-1 timeout:x\noptions attempts:0\n", plain()},
		{"the last option counts", "options attempts:1\noptions attempts:4\n", config{timeout: 5 * time.Second, attempts: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parseResolvConf(tt.text)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(config{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseServers(t *testing.T) {
	got, err := ParseServers([]string{"192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]", "[2001:db8::53]:5353", "::ffff:192.0.2.54"})
	want := ports("192.0.2.53:53", "192.0.2.53:5353", "[2001:db8::53]:53", "[2001:db8::53]:5353", "192.0.2.54:53")
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	for _, bad := range []string{"", "dns.example", "192.0.2.53:0", "192.0.2.53:dns", "192.0.2.53:65536", "0.0.0.0", "192.0.2.053"} {
		if _, err := ParseServers([]string{"192.0.2.53", bad}); err == nil || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("%q: got error %v", bad, err)
		}
	}
}

func TestResolvConfIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	now := clocktesting.NewFakePassiveClock(epoch)
	s := newServers(nil, path, now)
	expect := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, try := range s.plan(0).tries {
			got = append(got, try.server.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", what, diff)
		}
	}
	write := func(text string) {
		t.Helper()
		replacement := path + ".new"
		if err := os.WriteFile(replacement, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(replacement, path); err != nil {
			t.Fatal(err)
		}
	}
	later := func() { now.SetTime(now.Now().Add(rereadAfter)) }

	expect("there is no file")
	write("nameserver 192.0.2.1\n")
	expect("it was looked at just now")
	later()
	expect("the file has come", "192.0.2.1:53")
	write("nameserver 192.0.2.2\n")
	expect("it was looked at just now", "192.0.2.1:53")
	later()
	expect("it has changed, by name alone", "192.0.2.2:53")
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.33\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	later()
	expect("it has changed in place", "192.0.2.33:53")
	write("")
	later()
	expect("it is being written", "192.0.2.33:53")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	later()
	expect("it has gone", "192.0.2.33:53")
	write("nameserver 192.0.2.4\nnameserver 192.0.2.5\nnameserver 192.0.2.6\noptions rotate use-vc\n")
	later()
	expect("it is back", "192.0.2.4:53", "192.0.2.5:53", "192.0.2.6:53")
	expect("rotated", "192.0.2.5:53", "192.0.2.6:53", "192.0.2.4:53")
	expect("rotated", "192.0.2.6:53", "192.0.2.4:53", "192.0.2.5:53")
	if !s.plan(0).useTCP {
		t.Error("use-vc does not make it use TCP")
	}
}

func TestGivenServersComeFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := newServers(ports("192.0.2.9:5353"), path, clock.RealClock{}).plan(0)
	want := try{netip.MustParseAddrPort("192.0.2.9:5353"), 5 * time.Second, 2}
	if len(got.tries) != 1 || got.tries[0] != want || got.useTCP {
		t.Errorf("got %v", got)
	}
}

func TestServersOverTCPAlone(t *testing.T) {
	server := startServer(t)
	server.Set("db.example", "A", onlyTCP)
	c := askers(never, server)
	c.servers.config.useTCP = true
	if got := c.ask(t.Context(), db, 0).String(); got != "Answered 192.0.2.1 ttl=30" {
		t.Errorf("got %s", got)
	}
}
