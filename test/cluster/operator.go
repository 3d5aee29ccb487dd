// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// OperatorBinary is the operator's name in the folder of binaries.
const OperatorBinary = "manager"

// StartOperator starts the operator as the process called name, with a
// kubeconfig from ServiceAccountKubeconfig and further arguments, and waits
// until it says at health (host:port) that it is ready.
func (c *Cluster) StartOperator(ctx context.Context, name, kubeconfig, health string, args ...string) (*Process, error) {
	p, err := startProcess(name, c.cfg.LogDir, c.cfg.OperatorEnv, filepath.Join(c.cfg.BinDir, OperatorBinary), append([]string{
		"--kubeconfig=" + kubeconfig, "--metrics-bind-address=0", "--health-probe-bind-address=" + health,
	}, args...)...)
	if err != nil {
		return nil, err
	}
	if err := AwaitOK(ctx, name, http.DefaultTransport, "http://"+health+"/readyz", p); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// Missing returns what a program that starts a cluster with an operator does
// not find, each with what to do: binaries in binDir, those of Binaries and the
// operator's and further ones, and the kustomize folder. Target is the make
// target that makes everything.
func Missing(binDir, kustomization, target string, further ...string) []string {
	var problems []string
	for _, name := range slices.Concat(Binaries, []string{OperatorBinary}, further) {
		path := filepath.Join(binDir, name)
		if _, err := exec.LookPath(path); err != nil {
			problems = append(problems, fmt.Sprintf("%s is not there or not executable: run `make %s`, which makes it", path, target))
		}
	}
	if _, err := os.Stat(filepath.Join(kustomization, "kustomization.yaml")); err != nil {
		problems = append(problems, fmt.Sprintf("%s has no kustomization.yaml: run this from the project's folder, or name it with --config", kustomization))
	}
	return problems
}
