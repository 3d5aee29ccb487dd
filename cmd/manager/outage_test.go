// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"externalbackend.dev/operator/test/cluster"
)

// asManager makes the test binary the operator.
const asManager = "EXTERNALBACKEND_TEST_AS_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(asManager) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// An operator that is started while the API server is away lives and waits. If it
// ended, the kubelet would try it again ever later, up to every five minutes.
func TestStartsWithoutAPIServer(t *testing.T) {
	probes := startWithoutAPIServer(t, "--metrics-bind-address=0")
	if code := ask(t.Context(), "http://"+probes+"/readyz"); code != http.StatusInternalServerError {
		t.Errorf("/readyz answers %d though nothing is known of the cluster", code)
	}
}

// startWithoutAPIServer runs the operator, whose API server is away, until the
// test ends. It returns the address of its health endpoint when it is alive.
func startWithoutAPIServer(t *testing.T, flags ...string) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: nobody
contexts: [{name: nobody, context: {cluster: nobody}}]
clusters: [{name: nobody, cluster: {server: "https://%s"}}]
`, freeAddress(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	probes := freeAddress(t)
	operator := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], append(flags, "--kubeconfig="+kubeconfig,
		"--leader-elect", "--leader-election-namespace=default", "--health-probe-bind-address="+probes)...)
	operator.Env = append(os.Environ(), asManager+"=yes")
	if err := operator.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- operator.Wait() }()
	t.Cleanup(func() {
		if err := operator.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil {
			t.Error("the operator ended without being killed")
		}
	})
	for ask(t.Context(), "http://"+probes+"/healthz") != http.StatusOK {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the operator ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return probes
}

// ask returns the code of an answer; 0 if there is none.
func ask(ctx context.Context, url string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// freeAddress returns an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := cluster.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
