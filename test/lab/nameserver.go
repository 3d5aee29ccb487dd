// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"externalbackend.dev/operator/test/cluster"
)

// NameDomain is the domain of the hosts outside, as their name server knows it.
const NameDomain = "lab.example"

const nameServerName = "nameserver"

// nameServerAddr is where it listens: it is not the cluster's.
var nameServerAddr = netip.MustParseAddrPort("127.0.0.1:5300")

// nameServerReady is where it says that it serves.
var nameServerReady = netip.MustParseAddrPort("127.0.0.1:8182")

// zoneReload is how often it looks whether its records have changed.
const zoneReload = "100ms"

// NameServer is the DNS server of what is outside, and the only one that the
// operator asks: CoreDNS with one zone.
type NameServer struct {
	logDir  string
	folder  string
	binary  string
	serial  int
	process *cluster.Process
}

func newNameServer(cfg Config, logDir string) (*NameServer, error) {
	n := &NameServer{logDir: logDir, folder: filepath.Join(cfg.StateDir, nameServerName), binary: filepath.Join(cfg.BinDir, cluster.DNSBinary)}
	if err := os.MkdirAll(n.folder, 0o700); err != nil {
		return nil, err
	}
	corefile := fmt.Sprintf("%s:%d {\n  errors\n  ready %s\n  file %s {\n    reload %s\n  }\n}\n",
		NameDomain, nameServerAddr.Port(), nameServerReady, n.file("zone"), zoneReload)
	return n, os.WriteFile(n.file("Corefile"), []byte(corefile), 0o600)
}

func (n *NameServer) file(name string) string { return filepath.Join(n.folder, name) }

// Set replaces all records, each as in a zone file: "db 5 A 192.0.2.1", with names
// beneath NameDomain. They are served a moment later.
func (n *NameServer) Set(records ...string) error {
	n.serial++
	zone := fmt.Sprintf("$ORIGIN %s.\n@ 5 SOA ns root %d 60 60 60 1\n@ 5 NS ns\nns 5 A 127.0.0.1\n%s\n",
		NameDomain, n.serial, strings.Join(records, "\n"))
	if err := os.WriteFile(n.file("next"), []byte(zone), 0o600); err != nil {
		return err
	}
	return os.Rename(n.file("next"), n.file("zone")) // never half of it
}

// Start starts it and waits until it serves.
func (n *NameServer) Start(ctx context.Context) (err error) {
	if n.process, err = cluster.StartProcess(nameServerName, n.logDir, n.binary, "-conf", n.file("Corefile")); err != nil {
		return err
	}
	return cluster.AwaitOK(ctx, nameServerName, http.DefaultTransport, "http://"+nameServerReady.String()+"/ready", n.process)
}

// Kill ends it as a crash does.
func (n *NameServer) Kill() { n.process.Kill() }

// Running says whether the process has not ended.
func (n *NameServer) Running() bool { return running(n.process) }
