// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package dns

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"externalbackend.dev/operator/test/nameserver"
)

// serverVariable makes the test binary be the name server of benchmarks.
const serverVariable = "DNS_BENCHMARK_SERVER"

const benchNames = 10000

// serveElsewhere runs a name server in another process, so that its work is not
// counted.
func serveElsewhere(b *testing.B) netip.AddrPort {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serverVariable+"=yes")
	stdin, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close() // which ends it
		_ = command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return netip.MustParseAddrPort(strings.TrimSpace(line))
}

// beServer serves until standard input ends: two IPv4 addresses of each name, and
// no IPv6 address.
func beServer() {
	server, err := nameserver.Listen("127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	for _, q := range names(benchNames, "bench") {
		server.Set(q.Name, "A", nameserver.Records(q.Name+" 30 A 192.0.2.1", q.Name+" 30 A 192.0.2.2"))
		server.Set(q.Name, "AAAA", nameserver.NoData(30))
	}
	fmt.Println(server.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkQuery reports what one query takes, in a process that does nothing
// else.
func BenchmarkQuery(b *testing.B) {
	c := newClient([]netip.AddrPort{serveElsewhere(b)}, "", clock.RealClock{})
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		if got := c.ask(b.Context(), Question{"n1.bench", A}, 0); got.outcome != Answered {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/query")
}

// counter counts queries, and those that failed.
type counter struct {
	queries, failed atomic.Int64
	first           atomic.Int64 // that must end before ready is closed
	ready           chan struct{}
}

func (c *counter) QueryDone(_ Type, outcome Outcome, _ time.Duration) {
	c.queries.Add(1)
	if !outcome.Definitive() {
		c.failed.Add(1)
	}
	if c.first.Add(-1) == 0 {
		close(c.ready)
	}
}

// BenchmarkTenThousandNames keeps 10,000 names of both families up to date, with a
// TTL of 30 s. One operation takes 63 s, which is two rounds. The memory is that
// of a question with its answer, all in.
func BenchmarkTenThousandNames(b *testing.B) {
	server := serveElsewhere(b)
	var questions []Question
	for _, q := range names(benchNames, "bench") {
		questions = append(questions, q, Question{q.Name, AAAA})
	}
	for b.Loop() {
		counted := &counter{ready: make(chan struct{})}
		counted.first.Store(int64(len(questions)))
		heap := heapSize()
		r := New(Options[string]{Servers: []netip.AddrPort{server}, Observer: counted})
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Start(ctx) }()
		for i := 0; i < len(questions); i += 10 {
			r.Ensure(fmt.Sprintf("shop/%d", i), questions[i:i+10])
		}
		start := time.Now()
		<-counted.ready
		b.ReportMetric(time.Since(start).Seconds(), "s/first-round")
		b.ReportMetric(float64(heapSize()-heap)/float64(len(questions)), "B/question")

		cpu, queries := cpuTime(b), counted.queries.Load()
		const measured = 63 * time.Second
		time.Sleep(measured)
		cpu, queries = cpuTime(b)-cpu, counted.queries.Load()-queries
		b.ReportMetric(float64(queries)/measured.Seconds(), "queries/s")
		b.ReportMetric(100*cpu.Seconds()/measured.Seconds(), "%core")
		b.ReportMetric(float64(cpu.Microseconds())/float64(queries), "cpu-µs/query")
		b.ReportMetric(float64(counted.failed.Load()), "failed")
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	}
}

func heapSize() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkStep is an answer like the one before, with eight addresses.
func BenchmarkStep(b *testing.B) {
	s, now := newSet(DefaultMinTTL, DefaultMaxTTL), epoch
	a := said(30*time.Second, 1, 2, 3, 4, 5, 6, 7, 8)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(s.step(&a, now))
	}
}
