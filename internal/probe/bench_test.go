// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// cpuTime returns the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// instant is an Executor that passes every check without doing anything, and
// an Observer that counts.
type instant struct {
	mu   sync.Mutex
	lags []time.Duration
	left atomic.Int64
	done chan struct{}
}

func (i *instant) Prepare(*health.Check) Run {
	return func(context.Context, netip.Addr) health.Result { return pass }
}

func (i *instant) CheckDone(_ health.Kind, _ health.Result, lag time.Duration) {
	i.mu.Lock()
	i.lags = append(i.lags, lag)
	i.mu.Unlock()
	if i.left.Add(-1) == 0 {
		close(i.done)
	}
}

func (i *instant) VerdictChanged(health.Subscriber, netip.Addr, health.Verdict, health.Verdict) {}

// BenchmarkScheduler schedules 10,000 checks a second that do nothing. The
// time per operation is given by that rate; what counts is the CPU time.
func BenchmarkScheduler(b *testing.B) {
	world := &instant{done: make(chan struct{})}
	world.left.Store(int64(b.N))
	s := New(Options{Executor: world, Observer: world})
	s.Ensure(shop, usual, targets(10000, health.Healthy, tcp(80, every(time.Second))))
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	before := cpuTime(b)
	b.ResetTimer()
	go func() { ended <- s.Start(ctx) }()
	<-world.done
	b.StopTimer()
	used := cpuTime(b) - before
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	slices.Sort(world.lags)
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/check")
	b.ReportMetric(float64(world.lags[len(world.lags)*99/100].Microseconds())/1000, "lag-p99-ms")
}

// BenchmarkTCPCheck also reports how many of the checks the server saw.
func BenchmarkTCPCheck(b *testing.B) {
	var accepted atomic.Int64
	server := serve(b, func(net.Conn) { accepted.Add(1) })
	benchmarkCheck(b, server, check(b, server))
	b.ReportMetric(float64(accepted.Load())/float64(b.N), "accepted/check")
}

// BenchmarkHTTPCheck has its server in another process, so that the CPU time
// is that of the checks.
func BenchmarkHTTPCheck(b *testing.B) {
	server := serveElsewhere(b, "http")
	benchmarkCheck(b, server, check(b, server, overHTTP()))
}

// BenchmarkHTTPBody compares what it costs to look at a body, by its size: what
// counts are the allocations, which do not grow with it, and the time.
func BenchmarkHTTPBody(b *testing.B) {
	for _, size := range []int{100, 4 << 10, maxResponseBody} {
		response := "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", size-2) + "UP"
		for name, edit := range map[string]func(*health.HTTPCheck){
			"any": func(*health.HTTPCheck) {}, "contains": containing("UP"), "matches": matching(`U[Pp]\s*$`),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				x := newHTTPExchange(check(b, netip.AddrPortFrom(documented, 80), overHTTP(edit)), "bench", newTurnstile(1, 1))
				b.ReportAllocs()
				for b.Loop() {
					if got := x.talk(b.Context(), &canned{Reader: strings.NewReader(response), Writer: io.Discard}, documented); got != passed {
						b.Fatal(got)
					}
				}
			})
		}
	}
}

func benchmarkCheck(b *testing.B, server netip.AddrPort, c *health.Check) {
	run := newSockets(Options{}.withDefaults()).Prepare(c)
	before := cpuTime(b)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ctx, cancel := context.WithTimeout(b.Context(), c.Timing.Timeout)
			if got := run(ctx, server.Addr()); got.Outcome != health.Pass {
				b.Error(got)
			}
			cancel()
		}
	})
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/check")
}

// serverVariable makes the test binary be one of the servers of benchmarks.
const serverVariable = "PROBE_BENCHMARK_SERVER"

// serveElsewhere runs one of the servers in another process.
func serveElsewhere(b *testing.B, server string) netip.AddrPort {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serverVariable+"="+server)
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

// beServer serves until standard input ends: it answers HTTP requests, takes
// part in TLS handshakes, or accepts connections and is silent.
func beServer(server string) {
	handle := map[string]func(net.Conn){
		"http":  answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
		"tls":   secured(newAuthority(nil).issue(), untilEnd),
		"mute":  untilEnd,
		"chain": secured(newAuthority(nil).chain(99), untilEnd),
		"body":  body(strings.Repeat("a", maxResponseBody)),
	}[server]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				handle(conn)
				_ = conn.Close()
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func untilEnd(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// BenchmarkIdleTarget reports the memory of a target that is waiting for its
// next check, all in.
func BenchmarkIdleTarget(b *testing.B) {
	const count = 100000
	list := targets(count, health.Healthy, tcp(80))
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		s := New(Options{MaxChecksPerNamespace: count})
		s.Ensure(shop, usual, list)
		b.ReportMetric(float64(heap()-before)/count, "B/target")
		runtime.KeepAlive(s)
	}
	runtime.KeepAlive(list)
}

func BenchmarkEnsure(b *testing.B) {
	list := targets(10000, health.Healthy, tcp(80))
	b.Run("unchanged", func(b *testing.B) {
		s := New(Options{})
		s.Ensure(shop, usual, list)
		b.ReportAllocs()
		for b.Loop() {
			s.Ensure(shop, usual, list)
		}
	})
	b.Run("one of 10000 replaced", func(b *testing.B) {
		s := New(Options{})
		addr := netip.MustParseAddr("192.0.2.1")
		b.ReportAllocs()
		for b.Loop() {
			list[5000].Addr, addr = addr, list[5000].Addr
			s.Ensure(shop, usual, list)
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			New(Options{}).Ensure(shop, usual, list)
		}
	})
}

func BenchmarkStatuses(b *testing.B) {
	s := New(Options{})
	s.Ensure(shop, usual, targets(10000, health.Healthy, tcp(80)))
	var statuses []health.Status
	b.ReportAllocs()
	for b.Loop() {
		statuses = s.Statuses(shop, statuses[:0])
	}
}
