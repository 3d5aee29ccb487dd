// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/test/apiserver"
	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/sandbox"
)

const (
	// waitBound is how long a state may take to come about. It is far above
	// what is expected (at most 4 s), for slow machines.
	waitBound = 20 * time.Second
	// pollEvery is the pause between two looks at what is waited for.
	pollEvery = 50 * time.Millisecond
	// startBound is how long the lab may take to start.
	startBound = 2 * time.Minute

	// suiteBound is how long all cases may take: four times what they do.
	suiteBound = 30 * time.Minute

	logLines = 40 // of each program that a failed case shows
)

var (
	box       *sandbox.Sandbox
	installed *lab.Lab
	api       client.Client // acts as the administrator
	harmed    []*rack.Host  // to be mended after the case

	binDir        = flag.String("bin", "bin", "folder with the control plane's binaries, coredns, kubectl and the operator (manager)")
	kustomization = flag.String("config", "config/default", "kustomize folder that installs the operator")
	userns        = flag.Bool("userns", os.Geteuid() != 0, "make a user namespace too; default: whether the user is not root")
)

func TestMain(m *testing.M) {
	rack.ServeIfHost(os.Args[1:])
	var args []string
	box, args = sandbox.Inside(os.Args[1:])
	os.Args = append(os.Args[:1], args...)
	flag.Parse()
	if box == nil {
		os.Exit(runOutside())
	}
	if err := box.Enter(); err != nil {
		os.Exit(sandbox.ExitCannotRun)
	}
	os.Exit(m.Run())
}

func runOutside() int {
	if problems := lab.Missing(*binDir, *kustomization, "e2e"); len(problems) > 0 {
		fmt.Fprintf(os.Stderr, "e2e: it cannot run here:\n  - %s\n", strings.Join(problems, "\n  - "))
		return sandbox.ExitCannotRun
	}
	opts := lab.SandboxOptions("e2e", *binDir, *kustomization)
	opts.Userns, opts.Args = *userns, os.Args[1:]
	return sandbox.Run(opts)
}

func TestE2E(t *testing.T) {
	SetDefaultEventuallyTimeout(waitBound)
	SetDefaultEventuallyPollingInterval(pollEvery)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RegisterFailHandler(Fail)
	suite, reporter := GinkgoConfiguration()
	suite.Timeout = suiteBound
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		reporter.NoColor = true // a log, not a terminal
	}
	RunSpecs(t, "End-to-end cases", suite, reporter)
}

var _ = BeforeSuite(func(ctx SpecContext) {
	absolute := func(dir string) string {
		path, err := filepath.Abs(dir)
		Expect(err).NotTo(HaveOccurred())
		return path
	}
	var err error
	installed, err = lab.Start(ctx, lab.Config{
		BinDir: absolute(*binDir), Kustomization: absolute(*kustomization), StateDir: box.StateDir,
		Tell: func(format string, args ...any) { GinkgoWriter.Printf(format+"\n", args...) },
	})
	if err != nil {
		showLogs(append(installed.Programs(), "kube-apiserver"))
	}
	Expect(err).NotTo(HaveOccurred())
	// A client that sends hundreds of requests a second soon uses the port again of a
	// connection that never came about, and the kernel leads it where that one led.
	Expect(os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent", []byte("5"), 0)).To(Succeed())

	config, err := clientcmd.BuildConfigFromFlags("", installed.Cluster.AdminKubeconfig())
	Expect(err).NotTo(HaveOccurred())
	config.QPS, config.Burst = 200, 400
	ctrl.SetLogger(GinkgoLogr)
	api, err = client.New(config, client.Options{Scheme: apiserver.Scheme()})
	Expect(err).NotTo(HaveOccurred())
}, NodeTimeout(startBound))

// showLogs prints the ends of the programs' logs.
func showLogs(programs []string) {
	for _, program := range programs {
		tail, err := cluster.LogTail(installed.LogDir(), program, logLines)
		if err != nil {
			continue // it was never started
		}
		AddReportEntry("the end of the log of "+program, strings.Join(tail, "\n"), ReportEntryVisibilityFailureOrVerbose)
	}
}
