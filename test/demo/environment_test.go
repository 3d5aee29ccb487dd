// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"externalbackend.dev/operator/test/cluster"
)

// rules is a cut-out of what nft prints of kube-proxy's table; the second
// Service's name ends like the first one's, and the third has session affinity.
const rules = `table ip kube-proxy {
	map service-ips {
		elements = { 10.96.142.64 . tcp . 80 : goto service-VQSU36QR-shop/payments/tcp/http }
	}

	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
	}

	chain service-2QRHZV4L-workshop/payments/tcp/http {
		meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 192.0.2.30 . 8080 }
	}

	chain service-VQSU36QR-shop/payments/tcp/http {
		meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 192.0.2.11 . 8080, 1 : 192.0.2.12 . 8080 }
	}

	chain service-A2ZK4BQ7-shop/sticky/tcp/http {
		numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-shop/sticky/tcp/http__192.0.2.13/8080 }
	}

	chain endpoint-7KJB2KTA-shop/sticky/tcp/http__192.0.2.14/8080 {
		meta l4proto tcp dnat to 192.0.2.14:8080
	}
}
`

const rules6 = `table ip6 kube-proxy {
	chain service-VQSU36QR-shop/payments/tcp/http {
		meta l4proto tcp dnat ip6 to numgen random mod 1 map { 0 : 2001:db8::11 . 8080 }
	}

	chain service-A2ZK4BQ7-shop/sticky/tcp/http {
		numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-shop/sticky/tcp/http__2001.db8..13/8080 }
	}
}
`

func TestLeadsTo(t *testing.T) {
	for _, test := range []struct {
		table, servicePort, addr string
		want                     bool
	}{
		{rules, "shop/payments/tcp/http", "192.0.2.11", true},
		{rules, "shop/payments/tcp/http", "192.0.2.12", true},
		{rules, "shop/payments/tcp/http", "192.0.2.1", false},
		{rules, "shop/payments/tcp/http", "192.0.2.30", false},
		{rules, "shop/payments/tcp/http", "192.0.2.13", false},
		{rules, "shop/payments/tcp/https", "192.0.2.11", false},
		{rules, "workshop/payments/tcp/http", "192.0.2.30", true},
		{rules, "shop/sticky/tcp/http", "192.0.2.13", true},
		{rules, "shop/sticky/tcp/http", "192.0.2.14", false},
		{rules6, "shop/payments/tcp/http", "2001:db8::11", true},
		{rules6, "shop/payments/tcp/http", "2001:db8::1", false},
		{rules6, "shop/sticky/tcp/http", "2001:db8::13", true},
		{"", "shop/payments/tcp/http", "192.0.2.11", false},
	} {
		if got := leadsTo(test.table, test.servicePort, netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%s leads to %s: %t, want %t", test.servicePort, test.addr, got, test.want)
		}
	}
}

func TestInstallationLeavesOutWhatRunsAsAPod(t *testing.T) {
	const kustomized = `apiVersion: v1
kind: Namespace
metadata: {name: system}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: manager, namespace: system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: manager-role}
---
apiVersion: v1
kind: Service
metadata: {name: metrics, namespace: system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: manager, namespace: system}
`
	got, err := installationFrom(kustomized)
	if err != nil {
		t.Fatal(err)
	}
	if got.namespace != "system" || got.serviceAccount != "manager" || !slices.Equal(got.crds, []string{"things.example.com"}) {
		t.Errorf("installation = %+v", got)
	}
	for kind, want := range map[string]bool{
		"Namespace": true, "CustomResourceDefinition": true, "ServiceAccount": true, "ClusterRole": true,
		"Service": false, "Deployment": false,
	} {
		if strings.Contains(got.manifest, "kind: "+kind+"\n") != want {
			t.Errorf("manifest has %s: %t, want %t", kind, !want, want)
		}
	}
	if _, err := installationFrom("kind: Namespace\n"); err == nil {
		t.Error("an installation without CRD and service account is accepted")
	}
}

func TestPreflightNamesEverythingThatIsMissing(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("PATH", empty)
	tools := []string{`"nft"`, `"ip"`, "apt-get install nftables iproute2", "dnf install nftables iproute`"}
	built := []string{"make controlplane", "make build", filepath.Join(empty, operatorBinary), "kustomization.yaml"}
	for _, name := range cluster.Binaries {
		built = append(built, filepath.Join(empty, name))
	}
	for _, check := range []bool{false, true} {
		got := strings.Join(preflight(options{binDir: empty, configDir: empty, check: check}), "\n")
		for _, want := range tools {
			if !strings.Contains(got, want) {
				t.Errorf("check=%t: %q is not in:\n%s", check, want, got)
			}
		}
		for _, want := range built {
			if strings.Contains(got, want) == check {
				t.Errorf("check=%t: %q in it: %t:\n%s", check, want, check, got)
			}
		}
	}
}

func TestUserNamespaceProblemNamesTheSetting(t *testing.T) {
	for _, test := range []struct {
		settings map[string]string
		want     string // contained; "" for no problem
	}{
		{map[string]string{"user.max_user_namespaces": "96365"}, ""},
		{map[string]string{"user.max_user_namespaces": "0"}, "sysctl -w user.max_user_namespaces=10000"},
		{map[string]string{"kernel.unprivileged_userns_clone": "0"}, "sysctl -w kernel.unprivileged_userns_clone=1"},
		{map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"}, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "0"}, ""},
	} {
		got := userNamespaceProblem(func(name string) string { return test.settings[name] })
		if got == "" != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, want %q in it", test.settings, got, test.want)
		}
	}
}

func TestMountPointHidesNothingThatIsNeeded(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "bin")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(inside, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir: true, inside: true, link: true, filepath.Join(dir, "..", filepath.Base(dir)+"-other"): false, "/elsewhere": false,
	} {
		if got := hides(dir, []string{path}); got != want {
			t.Errorf("%s hides %s: %t, want %t", dir, path, got, want)
		}
	}
	if got, err := stateMountPoint("/run/project/bin"); err != nil || got == "/run" {
		t.Errorf("mount point = %q, %v; want another than /run, where the project is", got, err)
	}
}
