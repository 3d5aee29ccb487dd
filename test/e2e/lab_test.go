// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/test/sandbox"
)

// Lines that the lab prints: when it begins, and where its kubeconfig is when
// it is up.
var (
	begins = regexp.MustCompile(`external host rack-a`)
	isUp   = regexp.MustCompile(`export KUBECONFIG=(\S+)`)
)

// startLab starts the program of `make lab`, in a sandbox of its own in this
// one. It can write to no file system that is there. It returns once the lab
// has printed the line, with what that says.
func startLab(line *regexp.Regexp) (*exec.Cmd, []string) {
	GinkgoHelper()
	cmd := exec.Command(filepath.Join(*binDir, "lab"), "--bin="+*binDir, "--config="+*kustomization)
	cmd.Stderr, cmd.WaitDelay = GinkgoWriter, waitBound
	stdout, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(sandbox.WithReadOnlyFiles(cmd.Start)).To(Succeed(), "`make e2e` makes bin/lab")
	DeferCleanup(func() { _ = cmd.Process.Kill() }) // it fails if the lab has ended
	lines := bufio.NewScanner(io.TeeReader(stdout, GinkgoWriter))
	for lines.Scan() {
		if found := line.FindStringSubmatch(lines.Text()); found != nil {
			return cmd, found
		}
	}
	Expect(lines.Err()).NotTo(HaveOccurred())
	Fail("the lab ended before it printed " + line.String())
	return nil, nil
}

// traces are what a lab could leave behind, apart from files.
type traces struct{ namespaces, mounts, links, sockets []string }

// findTraces looks for them. Namespaces are those that a process is in; one that
// has ended and that nobody has waited for is in none.
func findTraces(ctx context.Context) traces {
	GinkgoHelper()
	var t traces
	paths, err := filepath.Glob("/proc/[0-9]*/ns/*")
	Expect(err).NotTo(HaveOccurred())
	for _, path := range paths {
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(path)), "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			continue
		}
		if namespace, err := os.Readlink(path); err == nil { // else the process has ended
			t.namespaces = append(t.namespaces, namespace)
		}
	}
	slices.Sort(t.namespaces)
	t.namespaces = slices.Compact(t.namespaces)
	links, err := exec.CommandContext(ctx, "ip", "-oneline", "link").Output()
	Expect(err).NotTo(HaveOccurred())
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	Expect(err).NotTo(HaveOccurred())
	t.links, t.mounts = slices.Collect(strings.Lines(string(links))), slices.Collect(strings.Lines(string(mounts)))
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		t.sockets = append(t.sockets, listeners(protocol)...)
	}
	return t
}

// listeners returns the local addresses of the sockets of this network
// namespace that accept connections or datagrams.
func listeners(protocol string) []string {
	GinkgoHelper()
	table, err := os.ReadFile("/proc/net/" + protocol)
	Expect(err).NotTo(HaveOccurred())
	var all []string
	for line := range strings.Lines(string(table)) {
		// The columns are: slot, local address, remote address, state. The states
		// are those of a listening and of an unconnected socket.
		columns := strings.Fields(line)
		if columns[3] == "0A" || columns[3] == "07" {
			all = append(all, protocol+" "+columns[1])
		}
	}
	slices.Sort(all)
	return all
}

var _ = Describe("The lab", func() {
	for _, end := range []struct {
		how    string
		after  *regexp.Regexp
		signal syscall.Signal
	}{
		{"is killed", isUp, syscall.SIGKILL},
		{"is killed while it starts", begins, syscall.SIGKILL},
		{"is told to end while it starts", begins, syscall.SIGTERM},
	} {
		It("is gone without a trace when it "+end.how, func(ctx SpecContext) {
			before := findTraces(ctx)
			program, says := startLab(end.after)
			if end.after == isUp {
				nodes := exec.CommandContext(ctx, filepath.Join(*binDir, "kubectl"), "--kubeconfig="+says[1], "get", "nodes,leases", "-A")
				Expect(nodes.CombinedOutput()).To(ContainSubstring("externalbackend-system"))
			}
			Expect(findTraces(ctx).namespaces).NotTo(Equal(before.namespaces))

			Expect(program.Process.Signal(end.signal)).To(Succeed())
			_ = program.Wait() // however it ended
			Eventually(findTraces).WithContext(ctx).Should(Equal(before))
		})
	}

	It("keeps its network namespaces for as long as it is up, for the commands that it has printed", func() {
		enter := func() string {
			ns, err := sandbox.NewNetns()
			Expect(err).NotTo(HaveOccurred())
			return box.EnterCommand(ns)
		}()
		collected := make(chan struct{})
		runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(collected) })
		Eventually(func() <-chan struct{} { runtime.GC(); return collected }).Should(BeClosed())
		runtime.GC()
		Expect(os.Readlink(filepath.Join("/proc/self/fd", filepath.Base(enter)))).To(HavePrefix("net:["))
	})
})
