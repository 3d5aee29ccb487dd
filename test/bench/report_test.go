// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const goOutput = `goos: linux
pkg: externalbackend.dev/operator/internal/sliceplan
cpu: some
BenchmarkPlan/1000/unchanged-2   	    9121	    141616 ns/op	   60232 B/op	      50 allocs/op
BenchmarkPlan/10000/unchanged-2  	     691	   1660600 ns/op	  474040 B/op	     177 allocs/op
BenchmarkPlan/10000/one_flip-2   	     691	  30000000 ns/op	  474040 B/op	     700 allocs/op
PASS
pkg: externalbackend.dev/operator/internal/probe
BenchmarkIdleTarget-2  	 3	 400 ns/op	 612.5 B/target
pkg: externalbackend.dev/operator/internal/discovery/dns
BenchmarkTenThousandNames-2  	 1	63000000000 ns/op	 25.5 %core	 640 B/question	 410.2 cpu-µs/query	 0 failed	 622.4 queries/s	 1.25 s/first-round
ok  	externalbackend.dev/operator/internal/probe	18.501s
`

func sample(t *testing.T) *results {
	t.Helper()
	benchmarks, err := parseGoBenchmarks(strings.NewReader(goOutput))
	if err != nil {
		t.Fatal(err)
	}
	millisecond := time.Millisecond
	pair := func(endpoints int, kind string, atOnce int, mine, other, cpu time.Duration) []*flips {
		return []*flips{
			{
				Endpoints: endpoints, Kind: kind, Side: sideOurs, AtOnce: atOnce, Rounds: 1, Latencies: []time.Duration{mine},
				Writes: writes{"update": 11}, Touched: 10, CPU: cpu * time.Duration(atOnce),
			},
			{
				Endpoints: endpoints, Kind: kind, Side: sideTheirs, AtOnce: atOnce, Rounds: 1, Latencies: []time.Duration{other},
				Writes: writes{"update": 19}, Touched: 10, CPU: 2 * cpu * time.Duration(atOnce),
			},
		}
	}
	r := &results{
		Go: benchmarks, ColdSize: 10000,
		ColdStarts: []coldStart{{First: 11 * time.Second, All: 12 * time.Second, Writes: writes{"create": 100}}},
		Restarts:   []restart{{Writes: writes{"update": 3}, FirstFlip: time.Second}},
	}
	r.Flips = append(r.Flips, pair(100, kindOne, 1, 9*millisecond, 10*millisecond, 4*millisecond)...)
	r.Flips = append(r.Flips, pair(1000, kindOne, 1, 10*millisecond, 25*millisecond, 5*millisecond)...)
	r.Flips = append(r.Flips, pair(1000, kindTenth, 100, 60*millisecond, 100*millisecond, millisecond)...)
	for _, f := range []struct {
		names int
		took  time.Duration
	}{{0, 10 * millisecond}, {10000, 13 * millisecond}, {0, 12 * millisecond}} {
		measured := pair(besideNames, kindOne, 1, f.took, 0, millisecond)[0]
		r.Names = append(r.Names, nameFlips{flips: measured, Names: f.names, Queries: float64(f.names) / 100, Core: 0.125})
	}
	return r
}

func TestReportJudgesEveryTarget(t *testing.T) {
	text := sample(t).markdown()
	for _, want := range []string{
		"| verdict to slice event, one flip of 1000 endpoints, operator / kcm | at most 0.5 at p50 and p99 | 0.40 at p50, 0.40 at p99 | met |",
		"| verdict to slice event, 10 % flip of 1000 endpoints, operator / kcm | at most 0.5 at p50 and p99 | 0.60 at p50, 0.60 at p99 | not met |",
		"| writes a touched slice, 10 % of 1000 endpoints flip at once | at most 1.2 | 1.10 (kcm: 1.90) | met |",
		"| CPU of one flip at 1000 endpoints, compared with 100 | no growth (within 20 %) | 5.0 ms and 4.0 ms (kcm: 10.0 ms and 8.0 ms) | not met |",
		"| cold start, all of 10000 endpoints published ready | within 15s | 12.00 s | met |",
		"| slice writes after a restart with nothing changed, 10000 endpoints | 0 | 3 | not met |",
		"| planning 10000 endpoints, unchanged | under 20ms | 1.7 ms | met |",
		"| planning 10000 endpoints, one flip | under 20ms | 30.0 ms | not met |",
		"| allocations of planning for each further unchanged endpoint, from 1000 to 10000 | none but for what a slice costs (at most 0.05) | 0.014 | met |",
		"| internal/probe IdleTarget | 612 B/target, 400 ns/op |",
		"| verdict to slice event, one flip of 1000 endpoints, beside 10000 names that hang / without | at most 1.2 at p50 and p99 | 1.30 at p50, 1.08 at p99 | not met |",
		"| 622 | 25.5 | 410 | 1.25 | 640 | 0 |",
		"| no names | 1 | 10.0 | 10.0 | 0.0 | 12.5 |",
		"| 10000 names | 1 | 13.0 | 13.0 | 100.0 | 12.5 |",
		"| no names, again | 1 | 12.0 | 12.0 | 0.0 | 12.5 |",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the report lacks\n%s\nin\n%s", want, text)
		}
	}
	if strings.Contains(text, "TenThousandNames") {
		t.Errorf("what has a table of its own is among the other benchmarks:\n%s", text)
	}
}

func TestReportLeavesOutWhatWasNotMeasured(t *testing.T) {
	r := sample(t)
	r.Go, r.ColdStarts, r.Restarts, r.Names = nil, nil, nil, nil
	r.Flips = r.Flips[:1] // of the operator alone
	text := r.markdown()
	for _, other := range []string{"kcm", "Planning", "Cold start", "Targets", "Names", "NaN"} {
		if strings.Contains(text, other) {
			t.Errorf("the report mentions %q:\n%s", other, text)
		}
	}
}

func TestWriteReportKeepsWhatIsAround(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.md")
	if err := os.WriteFile(path, []byte("before\n"+ec2Marks.begin+"\nold\n"+ec2Marks.end+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := writeReport(path, ec2Marks, "new\n"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if want := "before\n" + ec2Marks.begin + "\n\nnew\n\n" + ec2Marks.end + "\nafter\n"; err != nil || string(got) != want {
			t.Errorf("the file is %q, %v; want %q", got, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeReport(path, mainMarks, "new"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error = %v, want one that names the file", err)
	}
}
