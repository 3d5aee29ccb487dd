// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/sandbox"
)

// NodeName is the name of the only Node, and Zone is the zone it is in.
const (
	NodeName = "node-1"
	Zone     = "zone-a"
)

// proxySyncPeriod is the least time between two changes of kube-proxy's rules,
// 1 s by default: there are few rules here, and many wait for them.
const proxySyncPeriod = "100ms"

// replicas is how many operators run.
const replicas = 2

// Config says what the lab is made of. All fields are required.
type Config struct {
	// BinDir holds what Missing looks for.
	BinDir string
	// Kustomization is the folder that installs the operator.
	Kustomization string
	// StateDir is an empty folder.
	StateDir string
	// Tell is told of every step.
	Tell func(format string, args ...any)
}

// Missing returns what has to be made before a lab can start, each with how.
func Missing(binDir, kustomization, target string) []string {
	return cluster.Missing(binDir, kustomization, target, cluster.DNSBinary)
}

// SandboxOptions returns the options of a sandbox that the lab can run in.
func SandboxOptions(name, binDir, kustomization string) sandbox.Options {
	paths := []string{kustomization}
	for _, binary := range append([]string{cluster.OperatorBinary, cluster.DNSBinary}, cluster.Binaries...) {
		paths = append(paths, filepath.Join(binDir, binary))
	}
	return sandbox.Options{Name: name, Paths: paths, Tools: sandbox.IPTables, Env: pythonEnv()}
}

// pythonEnv lets Python find inside what is installed for the user alone, whose home
// is another folder there, and leave no compiled files on the machine.
func pythonEnv() []string {
	env := []string{"PYTHONDONTWRITEBYTECODE=1"}
	if base := os.Getenv("PYTHONUSERBASE"); base != "" {
		return append(env, "PYTHONUSERBASE="+base)
	}
	if home, err := os.UserHomeDir(); err == nil {
		env = append(env, "PYTHONUSERBASE="+filepath.Join(home, ".local"))
	}
	return env
}

// Lab is a running lab. All of it ends with the sandbox.
type Lab struct {
	Cluster  *cluster.Cluster
	Hosts    []*rack.Host
	Client   *sandbox.Netns // the node is its only way to anywhere
	Names    *NameServer    // of what is outside, with no records at first
	AWS      *AWS           // with no instances at first
	Replicas []*Replica     // of the operator
	Audit    *Audit

	cfg Config
}

// Start starts everything and returns when all of it is ready.
func Start(ctx context.Context, cfg Config) (*Lab, error) {
	l := &Lab{cfg: cfg}
	for _, step := range []func(context.Context) error{l.setUpNetwork, l.startNames, l.startAWS, l.startCluster, l.startOperator} {
		if err := step(ctx); err != nil {
			return l, err
		}
	}
	return l, nil
}

// LogDir is where every program has a log, see cluster.LogTail.
func (l *Lab) LogDir() string { return filepath.Join(l.cfg.StateDir, "logs") }

// Programs returns the names of the programs with a log that explain what the
// cluster and the operator did.
func (l *Lab) Programs() []string {
	names := []string{"kube-proxy", cluster.DNSBinary, nameServerName}
	for _, r := range l.Replicas {
		names = append(names, r.Name)
	}
	return names
}

func (l *Lab) setUpNetwork(ctx context.Context) (err error) {
	if err := os.MkdirAll(l.LogDir(), 0o700); err != nil {
		return err
	}
	if err := rack.SetUpNode(); err != nil {
		return err
	}
	if l.Client, err = rack.SetUpClient(); err != nil {
		return err
	}
	l.Hosts = rack.NewHosts()
	for _, h := range l.Hosts {
		if err := h.SetUp(ctx, l.LogDir()); err != nil {
			return err
		}
		l.cfg.Tell("external host %s serves ports %v at %s and %s", h.Name, rack.Ports, h.IP4, h.IP6)
	}
	return nil
}

func (l *Lab) startNames(ctx context.Context) (err error) {
	if l.Names, err = newNameServer(l.cfg, l.LogDir()); err != nil {
		return err
	}
	if err := l.Names.Set(); err != nil {
		return err
	}
	if err := l.Names.Start(ctx); err != nil {
		return err
	}
	l.cfg.Tell("a name server of its own knows what is outside, beneath %s", NameDomain)
	return nil
}

func (l *Lab) startAWS(context.Context) (err error) {
	l.AWS, err = newAWS()
	return err
}

func (l *Lab) startCluster(ctx context.Context) (err error) {
	if l.Audit, err = newAudit(l.cfg.StateDir); err != nil {
		return err
	}
	l.Cluster, err = cluster.Start(ctx, cluster.Config{
		BinDir: l.cfg.BinDir, StateDir: l.cfg.StateDir, LogDir: l.LogDir(),
		NodeName: NodeName, NodeIPs: rack.NodeIPs, NodeLabels: map[string]string{corev1.LabelTopologyZone: Zone},
		Args: map[string][]string{
			"kube-apiserver": l.Audit.flags(),
			"kube-proxy":     {"--iptables-min-sync-period=" + proxySyncPeriod}, // in nftables mode too
		},
		OperatorEnv: l.AWS.Environment(FakeRegion),
	})
	if err != nil {
		return err
	}
	if err := l.Cluster.StartDNS(ctx); err != nil {
		return err
	}
	version, err := l.Cluster.Clientset().Discovery().ServerVersion()
	if err != nil {
		return err
	}
	l.cfg.Tell("Kubernetes %s runs: etcd, kube-apiserver, kube-controller-manager, kube-proxy (%s), CoreDNS, on node %s in %s",
		version, l.Cluster.ProxyMode(), rack.NodeIPs[0], Zone)
	return nil
}

func (l *Lab) startOperator(ctx context.Context) error {
	installed, err := l.Cluster.Install(ctx, l.cfg.Kustomization)
	if err != nil {
		return err
	}
	for i := range replicas {
		r := &Replica{
			Name: fmt.Sprintf("%s-%d", cluster.OperatorBinary, i), lab: l,
			namespace: installed.Namespace, health: fmt.Sprintf("127.0.0.1:%d", 8091+i),
		}
		r.kubeconfig, err = l.Cluster.ServiceAccountKubeconfig(ctx, installed.Namespace, installed.ServiceAccount, r.Name)
		if err != nil {
			return err
		}
		l.Replicas = append(l.Replicas, r)
		if err := r.Start(ctx); err != nil {
			return err
		}
	}
	leader, err := l.AwaitLeader(ctx, nil)
	if err != nil {
		return err
	}
	l.cfg.Tell("%d replicas of the operator run as service account %s/%s, and %s leads",
		replicas, installed.Namespace, installed.ServiceAccount, leader.Name)
	return nil
}
