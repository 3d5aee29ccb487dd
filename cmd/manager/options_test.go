// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"

	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/sliceplan"
)

func TestFlagDefaults(t *testing.T) {
	o, err := parseFlags(nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if o.maxEndpoints != 100 || o.metricsAddress != ":8443" || o.probeAddress != ":8081" || o.leaderElect || o.reach.allowClassE || o.aws.refresh != 30*time.Second {
		t.Errorf("unexpected defaults: %+v", o)
	}
}

// What a user gets wrong is named, with the bounds.
func TestFlagsOutOfBounds(t *testing.T) {
	for _, test := range []struct{ flag, want string }{
		{"--max-endpoints-per-slice=0", "--max-endpoints-per-slice is 0: it must be between 1 and 1000"},
		{"--max-endpoints-per-slice=1001", "it must be between 1 and 1000"},
		{"--concurrent-services=0", "--concurrent-services is 0"},
		{"--max-checks-in-flight=-1", "--max-checks-in-flight is -1"},
		{"--max-checks-per-namespace=0", "--max-checks-per-namespace is 0: it must be between 1 and 10000000"},
		{"--dns-max-questions-per-namespace=0", "--dns-max-questions-per-namespace is 0: it must be between 1 and 1000000"},
		{"--ec2-refresh-interval=9s", "--ec2-refresh-interval is 9s: it must be between 10s and 10m0s"},
		{"--ec2-refresh-interval=11m", "--ec2-refresh-interval is 11m0s: it must be between 10s and 10m0s"},
		{"--kube-api-qps=0", "--kube-api-qps is 0"},
		{"--kube-api-burst=0", "--kube-api-burst is 0"},
		{"--cluster-deny-delay=25h", "--cluster-deny-delay is 25h0m0s: it must be between 0s and 24h"},
		{"--deny-cidrs=10.0.0.1", `"10.0.0.1" is no network such as 10.0.0.0/8 or fd00::/8`},
		{"--allow-cluster-cidrs=10.0.0.0/33", `"10.0.0.0/33" is no network`},
		{"--deny-cidrs=10.1.2.3/8", `"10.1.2.3/8" has bits set behind the prefix: write 10.0.0.0/8, or 10.1.2.3/32 for the address alone`},
		{"--allow-cluster-cidrs=2001:db8::1/64", "write 2001:db8::/64, or 2001:db8::1/128"},
		{"--deny-cidrs=::ffff:10.1.0.0/104", `"::ffff:10.1.0.0/104" spells a network of IPv4 as one of IPv6: write 10.0.0.0/8`},
		{"--deny-cidrs=10.0.0.0/8,::ffff:10.0.0.0/90", "would deny none of them: list networks of IPv4 as such"},
		{"--cluster-domain=cluster local", `--cluster-domain: cluster domain: "cluster local": a host name has only`},
		{"--cluster-domain=10.0.0.1", `cluster domain: "10.0.0.1": it reads as an IP address`},
		{"--cluster-domain=cluster..local", `cluster domain: "cluster..local"`},
		{"--namespaces=,", "it names no namespace; leave the flag out to work in all of them"},
		{"--namespaces=", "it names no namespace"},
		{"--policy-mode=loose", "it is baseline or require"},
		{"--namespaces=a,b", "--namespaces needs --deny-cidrs"},
		{"--no-such-flag", "flag provided but not defined"},
		{"--max-endpoints-per-slice=many", "invalid value"},
		{"stray", `unexpected argument "stray"`},
	} {
		t.Run(test.flag, func(t *testing.T) {
			if _, err := parseFlags([]string{test.flag}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestFlagsWithinBounds(t *testing.T) {
	o, err := parseFlags([]string{"--max-endpoints-per-slice=1000", "--leader-elect", "--allow-class-e", "--ec2-refresh-interval=10m", "--zap-log-level=debug"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if o.maxEndpoints != sliceplan.HardMaxEndpoints || !o.leaderElect || !o.reach.allowClassE || o.aws.refresh != 10*time.Minute {
		t.Errorf("flags were not taken: %+v", o)
	}
}

// What may be targeted follows the flags.
func TestReachFlags(t *testing.T) {
	o, err := parseFlags([]string{"--deny-cidrs=10.0.0.0/8, fd00::/8", "--namespaces=a,b", "--cluster-deny-delay=1m"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if r := o.reach.reach(); r.Discover || r.Delay != time.Minute || r.Fixed.RequirePolicy || len(r.Fixed.Networks) != 2 || r.Fixed.Networks[0].Prefix.String() != "10.0.0.0/8" {
		t.Errorf("flags were not taken: %+v", r)
	}
	if o, err = parseFlags([]string{"--policy-mode=require"}, &bytes.Buffer{}); err != nil || !o.reach.reach().Fixed.RequirePolicy || !o.reach.reach().Discover {
		t.Errorf("flags were not taken: %+v, %v", o.reach, err)
	}
	if o, err = parseFlags([]string{"--allow-cluster-cidrs=10.1.2.0/24"}, &bytes.Buffer{}); err != nil || !slices.Equal(o.reach.reach().Fixed.Exempt, []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24")}) {
		t.Errorf("flags were not taken: %+v, %v", o.reach, err)
	}
	for _, flag := range []string{"--policy-mode=require", "--allow-cluster-cidrs=10.1.0.0/16"} {
		name, _, _ := strings.Cut(flag, "=")
		if _, err := parseFlags([]string{flag, "--namespaces=a", "--deny-cidrs=10.0.0.0/8"}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), name) ||
			!strings.Contains(err.Error(), "does not go with --namespaces") {
			t.Errorf("%s with --namespaces: %v", flag, err)
		}
	}
}

// The metrics are never served without authentication, nor over HTTP/2.
func TestMetricsServerIsSecure(t *testing.T) {
	o, err := parseFlags(nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	m := o.manager(runtime.NewScheme()).Metrics
	if !m.SecureServing || m.FilterProvider == nil {
		t.Error("metrics are served without TLS or without a filter")
	}
	var c tls.Config
	for _, option := range m.TLSOpts {
		option(&c)
	}
	if !slices.Equal(c.NextProtos, []string{"http/1.1"}) {
		t.Errorf("protocols are %v", c.NextProtos)
	}
}

// TestNamespaces: the operator finds its own, and the one in which it asks about the
// fence is one in which it may write.
func TestNamespaces(t *testing.T) {
	inCluster := filepath.Join(t.TempDir(), "namespace")
	if err := os.WriteFile(inCluster, []byte("externalbackend-system\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		file string
		want string // for the fence
		own  string
	}{
		{nil, inCluster, "externalbackend-system", "externalbackend-system"},
		{nil, inCluster + "-missing", "", ""},
		{[]string{"--leader-election-namespace=operators"}, inCluster + "-missing", "operators", "operators"},
		{[]string{"--namespaces=shop,search", "--deny-cidrs=10.0.0.0/8"}, inCluster, "shop", "externalbackend-system"},
	} {
		o, err := parseFlags(test.args, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.fenceNamespace(test.file); got != test.want {
			t.Errorf("%v and %s: got %q, want %q", test.args, test.file, got, test.want)
		}
		if got := o.ownNamespace(test.file); got != test.own {
			t.Errorf("%v and %s: its own is %q, want %q", test.args, test.file, got, test.own)
		}
	}
}

// A replica is ready when it knows what may be targeted, not only what there is.
func TestReadiness(t *testing.T) {
	reach := &controllers.Reach{Clock: clock.RealClock{}}
	ready := cachesSynced(&controllers.ServiceReconciler{}, reach)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil)
	if err := ready(request); err == nil || !strings.Contains(err.Error(), "what may be targeted") {
		t.Errorf("ready before anything may be targeted: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it ends when it has decided once
	if err := reach.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := ready(request); err != nil {
		t.Error(err)
	}
}
