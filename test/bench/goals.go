// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"time"
)

// The numbers that the project sets out to reach.
const (
	goalLatencyRatio  = 0.5 // of kube-controller-manager's, p50 and p99
	goalPerTouched    = 1.2 // writes a touched slice when a tenth flips at once
	goalPlanning      = 20 * time.Millisecond
	goalColdStart     = checkInterval + 5*time.Second
	goalCPUGrowth     = 1.2  // of a flip from the smallest to the largest Service: noise, no more
	goalAllocations   = 0.05 // of planning, for each further unchanged endpoint
	goalRestartWrites = 0
	goalBesideNames   = 1.2 // of what a flip takes without names that hang: noise, no more
)

// goal is a number to reach, and what was measured.
type goal struct {
	what, target, measured string
	met                    bool
}

func (r *results) writeTargets(d *document) {
	goals := append(r.flipGoals(), r.otherGoals()...)
	if len(goals) == 0 {
		return
	}
	d.heading("Targets")
	d.line("| what | target | measured | |")
	d.line("| --- | --- | --- | --- |")
	for _, g := range goals {
		verdict := "not met"
		if g.met {
			verdict = "met"
		}
		d.line("| %s | %s | %s | %s |", g.what, g.target, g.measured, verdict)
	}
}

// flipGoals are those about flips, weighed at every size but the smallest,
// whose figures are the fixed costs of a request.
func (r *results) flipGoals() []goal {
	var goals []goal
	r.eachPair(func(mine, other *flips) {
		if other == nil || mine.Endpoints < 1000 {
			return
		}
		if mine.Kind == kindOne || mine.Kind == kindTenth {
			p50, p99 := mine.p50().Seconds()/other.p50().Seconds(), mine.p99().Seconds()/other.p99().Seconds()
			goals = append(goals, goal{
				fmt.Sprintf("verdict to slice event, %s flip of %d endpoints, operator / kcm", mine.Kind, mine.Endpoints),
				fmt.Sprintf("at most %.1f at p50 and p99", goalLatencyRatio),
				fmt.Sprintf("%.2f at p50, %.2f at p99", p50, p99),
				p50 <= goalLatencyRatio && p99 <= goalLatencyRatio,
			})
		}
		if mine.Kind == kindTenth {
			goals = append(goals, goal{
				fmt.Sprintf("writes a touched slice, 10 %% of %d endpoints flip at once", mine.Endpoints),
				fmt.Sprintf("at most %.1f", goalPerTouched),
				fmt.Sprintf("%.2f (kcm: %.2f)", mine.perTouched(), other.perTouched()),
				mine.perTouched() <= goalPerTouched,
			})
		}
	})
	return append(goals, r.growth()...)
}

// growth compares the processor time of one flip at the least and the greatest
// size.
func (r *results) growth() []goal {
	sizes := r.sizes()
	if len(sizes) < 2 {
		return nil
	}
	least, most := r.of(sizes[0], kindOne, sideOurs), r.of(sizes[len(sizes)-1], kindOne, sideOurs)
	g := goal{
		what:   fmt.Sprintf("CPU of one flip at %d endpoints, compared with %d", most.Endpoints, least.Endpoints),
		target: fmt.Sprintf("no growth (within %.0f %%)", (goalCPUGrowth-1)*100),
		met:    most.cpuPerFlip().Seconds() <= goalCPUGrowth*least.cpuPerFlip().Seconds(),
	}
	g.measured = fmt.Sprintf("%s ms and %s ms", millis(most.cpuPerFlip()), millis(least.cpuPerFlip()))
	if a, b := r.of(most.Endpoints, kindOne, sideTheirs), r.of(least.Endpoints, kindOne, sideTheirs); a != nil && b != nil {
		g.measured += fmt.Sprintf(" (kcm: %s ms and %s ms)", millis(a.cpuPerFlip()), millis(b.cpuPerFlip()))
	}
	return []goal{g}
}

func (r *results) otherGoals() []goal {
	var goals []goal
	if len(r.ColdStarts) > 0 {
		var slowest time.Duration
		for _, s := range r.ColdStarts {
			slowest = max(slowest, s.All)
		}
		goals = append(goals, goal{
			fmt.Sprintf("cold start, all of %d endpoints published ready", r.ColdSize),
			fmt.Sprintf("within %s", goalColdStart), seconds(slowest) + " s", slowest <= goalColdStart,
		})
	}
	if len(r.Restarts) > 0 {
		most := 0
		for _, s := range r.Restarts {
			most = max(most, s.Writes.total())
		}
		goals = append(goals, goal{
			fmt.Sprintf("slice writes after a restart with nothing changed, %d endpoints", r.ColdSize),
			fmt.Sprint(goalRestartWrites), fmt.Sprint(most), most == goalRestartWrites,
		})
	}
	goals = append(goals, r.nameGoals()...)
	return append(goals, r.planningGoals()...)
}

func (r *results) planningGoals() []goal {
	var goals []goal
	allocations := map[string]float64{}
	for _, b := range r.Go {
		endpoints, change, ok := planCase(b)
		if !ok {
			continue
		}
		if change == "unchanged" {
			allocations[endpoints] = b.Values["allocs/op"]
		}
		if took := time.Duration(b.Values["ns/op"]); endpoints == "10000" {
			goals = append(goals, goal{
				"planning 10000 endpoints, " + change, fmt.Sprintf("under %s", goalPlanning), millis(took) + " ms", took < goalPlanning,
			})
		}
	}
	if len(allocations) == 0 {
		return goals
	}
	growth := (allocations["10000"] - allocations["1000"]) / 9000
	return append(goals, goal{
		"allocations of planning for each further unchanged endpoint, from 1000 to 10000",
		fmt.Sprintf("none but for what a slice costs (at most %.2f)", goalAllocations), fmt.Sprintf("%.3f", growth), growth <= goalAllocations,
	})
}
