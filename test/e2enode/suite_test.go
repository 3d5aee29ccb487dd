// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/test/apiserver"
	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/node"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/sandbox"
)

const (
	// waitBound is how long a state may take to come about. Pods start and end in
	// seconds; this is for slow machines.
	waitBound = time.Minute
	// pollEvery is the pause between two looks at what is waited for.
	pollEvery = 50 * time.Millisecond
	// startBound is how long the node may take to start.
	startBound = 3 * time.Minute
	// caseBound is how long a case may take, and cleanBound its end.
	caseBound  = 5 * time.Minute
	cleanBound = 2 * time.Minute
	// suiteBound is how long all cases may take: four times what they do.
	suiteBound = 30 * time.Minute

	logLines = 40 // of each program that a failed case shows
)

const (
	suiteName = "e2e-node"
	chartName = "external-backend-operator"
)

var (
	box     *sandbox.Sandbox
	running *node.Node
	hosts   []*rack.Host
	api     client.Client // acts as the administrator
	harmed  []*rack.Host  // to be mended after the case

	binDir     = flag.String("bin", "bin", "folder with all programs, the images in a folder images, and the chart and the image that are upgraded from in a folder previous")
	projectDir = flag.String("project", ".", "the project's folder, with README.md, config and charts")
	version    = flag.String("version", "", "version of the operator: the tag of its image")
	kubernetes = flag.String("kubernetes", "", "minor version that the API server has to be of, such as 1.34; any if empty")
	check      = flag.Bool("check", false, "only check whether it can run on this machine")
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
	if *check {
		os.Exit(sandbox.ExitPassed)
	}
	os.Exit(m.Run())
}

// images returns the tar files with the images.
func images() []string {
	var files []string
	for _, name := range []string{"pause", "coredns", "client", imageOf(*version)} {
		files = append(files, filepath.Join(*binDir, "images", name+".tar"))
	}
	return append(files, filepath.Join(*binDir, "previous", imageOf(previousVersion())+".tar"))
}

// imageOf names a release's image for this machine.
func imageOf(version string) string {
	return fmt.Sprintf("externalbackend-operator-%s-linux-%s", version, goruntime.GOARCH)
}

// previousChart returns the packaged chart that is upgraded from, "" if there is none.
func previousChart() string {
	charts, err := filepath.Glob(filepath.Join(*binDir, "previous", chartName+"-*.tgz"))
	if err != nil || len(charts) != 1 {
		return ""
	}
	return charts[0]
}

// previousVersion is that of previousChart, and of its image.
func previousVersion() string {
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(previousChart()), chartName+"-"), ".tgz")
}

// runOutside checks what is there, runs the cases in a sandbox, and looks whether
// they left anything on the machine.
func runOutside() int {
	for _, dir := range []*string{binDir, projectDir} {
		path, err := filepath.Abs(*dir)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", suiteName, err)
			return sandbox.ExitCannotRun
		}
		*dir = path
	}
	if problems := missing(); !*check && len(problems) > 0 {
		fmt.Fprintf(os.Stderr, "%s: it cannot run here:\n  - %s\n", suiteName, strings.Join(problems, "\n  - "))
		return sandbox.ExitCannotRun
	}
	before, err := sandbox.LookAtMachine(suiteName)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", suiteName, err)
		return sandbox.ExitCannotRun
	}
	paths := []string{*projectDir}
	for _, below := range []string{"", "*", "*/*"} { // bin and what it has links to
		found, err := filepath.Glob(filepath.Join(*binDir, below))
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", suiteName, err)
			return sandbox.ExitCannotRun
		}
		paths = append(paths, found...)
	}
	code := sandbox.Run(sandbox.Options{
		Name: suiteName, Args: append(os.Args[1:], "--bin="+*binDir, "--project="+*projectDir), Containers: true,
		Paths: paths, Tools: node.Tools,
	})
	after, err := sandbox.LookAtMachine(suiteName)
	changes := before.Changes(after)
	if err != nil {
		changes = append(changes, err.Error())
	}
	if len(changes) > 0 {
		fmt.Fprintf(os.Stderr, "%s: the machine is not as it was, by this or by another program:\n  - %s\n", suiteName, strings.Join(changes, "\n  - "))
		return max(code, sandbox.ExitFailed)
	}
	return code
}

// missing returns what has to be made before the node can start, each with how.
func missing() []string {
	problems := cluster.Missing(*binDir, filepath.Join(*projectDir, "config/default"), suiteName,
		append(slices.Clone(node.Binaries), "helm", "traefik")...)
	if _, err := os.Stat(filepath.Join(*binDir, "gateway-api")); err != nil {
		problems = append(problems, fmt.Sprintf("%v: run `make %s`, which makes it", err, suiteName))
	}
	for _, file := range images() {
		if _, err := os.Stat(file); err != nil {
			problems = append(problems, fmt.Sprintf("%s is not there: run `make %s`, which makes it", file, suiteName))
		}
	}
	return problems
}

func TestE2ENode(t *testing.T) {
	SetDefaultEventuallyTimeout(waitBound)
	SetDefaultEventuallyPollingInterval(pollEvery)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RegisterFailHandler(Fail)
	suite, reporter := GinkgoConfiguration()
	suite.Timeout = suiteBound
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		reporter.NoColor = true // a log, not a terminal
	}
	RunSpecs(t, "End-to-end cases of the installation", suite, reporter)
}

var _ = BeforeSuite(func(ctx SpecContext) {
	began := time.Now()
	tell := func(format string, args ...any) {
		fmt.Printf("%6.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	up := false
	defer func() {
		if !up {
			showLogs()
		}
	}()
	Expect(unix.Access("/", unix.W_OK)).To(MatchError(unix.EROFS), "that the machine's files are out of reach")
	Expect(os.Mkdir(logDir(), 0o700)).To(Succeed())
	Expect(rack.SetUpNode()).To(Succeed())
	_, err := rack.SetUpClient() // which makes the node forward what Pods send
	Expect(err).NotTo(HaveOccurred())
	hosts = rack.NewHosts()
	for _, h := range hosts {
		Expect(h.SetUp(ctx, logDir())).To(Succeed())
	}
	tell("%d external hosts answer", len(hosts))

	running, err = node.Start(ctx, node.Config{
		BinDir: *binDir, StateDir: box.StateDir, LogDir: logDir(), IPs: rack.NodeIPs, Images: images(), Tell: tell,
		Args: map[string][]string{"kube-proxy": {"--iptables-min-sync-period=100ms"}}, // in nftables mode too
	})
	Expect(err).NotTo(HaveOccurred())

	// For what cases start, as users and as parts of the cluster.
	Expect(os.Setenv("KUBECONFIG", running.Cluster.AdminKubeconfig())).To(Succeed())
	Expect(os.Setenv("PATH", *binDir+":"+os.Getenv("PATH"))).To(Succeed())
	config, err := clientcmd.BuildConfigFromFlags("", running.Cluster.AdminKubeconfig())
	Expect(err).NotTo(HaveOccurred())
	config.QPS, config.Burst = 200, 400
	ctrl.SetLogger(GinkgoLogr)
	api, err = client.New(config, client.Options{Scheme: apiserver.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	server, err := running.Cluster.Clientset().Discovery().ServerVersion()
	Expect(err).NotTo(HaveOccurred())
	if *kubernetes != "" {
		Expect(server.GitVersion).To(HavePrefix("v"+*kubernetes+"."), "version of the API server")
	}
	tell("it is Kubernetes %s", server.GitVersion)
	startPod(ctx)
	tell("the client's Pod answers")
	up = true
}, NodeTimeout(startBound))

func logDir() string { return filepath.Join(box.StateDir, "logs") }

// showLogs prints the ends of the programs' logs.
func showLogs() {
	for _, program := range running.Programs() {
		tail, err := cluster.LogTail(logDir(), program, logLines)
		if err != nil {
			continue // it was never started
		}
		AddReportEntry("the end of the log of "+program, strings.Join(tail, "\n"), ReportEntryVisibilityFailureOrVerbose)
	}
}

// kubectl runs kubectl as the administrator and returns what it printed.
func kubectl(ctx SpecContext, args ...string) string {
	GinkgoHelper()
	out, err := running.Cluster.Kubectl(ctx, nil, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// shell runs a line as a user does: in the project's folder, with the programs
// on the PATH and the administrator's kubeconfig. It returns what it printed.
func shell(ctx SpecContext, line string) string {
	GinkgoHelper()
	GinkgoWriter.Println("$", line)
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", line)
	cmd.Dir = *projectDir
	out, err := cmd.CombinedOutput()
	GinkgoWriter.Println(string(out))
	Expect(err).NotTo(HaveOccurred(), "%s: %s", line, out)
	return string(out)
}
