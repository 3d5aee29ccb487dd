// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/sandbox"
	"externalbackend.dev/operator/test/traffic"
)

// play lets the client send requests, plays the scenario, and judges it.
func (d *demo) play(ctx context.Context) error {
	d.screen.heading(fmt.Sprintf("Traffic: %d requests a second to %s", rate, d.urls()))
	d.screen.print(tableLegend)
	s := &scenario{
		screen: d.screen, hosts: d.hosts, board: d.board, rules: d.rules(), ledger: d.ledger, logDir: d.logDir(),
		restartOperator: d.restartOperator,
	}
	clientCtx, stopClient := context.WithCancel(ctx)
	tableCtx, stopTable := context.WithCancel(ctx)
	var client, table sync.WaitGroup
	client.Go(func() { traffic.Send(clientCtx, traffic.NewClient(nil), rate, d.clusterIPs, d.ledger.record) })
	table.Go(func() { s.printTable(tableCtx) })
	err := s.run(ctx)
	stopTable()
	table.Wait()
	stopClient()
	client.Wait()
	if err != nil {
		return err
	}
	if err := d.show(ctx, "get", "externalbackends,endpointslices", "-n", namespace); err != nil {
		return err
	}
	return s.finalCheck()
}

const tableLegend = `Each opens a connection of its own and is never repeated. A row is a second: the requests that ended in it, those
that failed, and those of them that were started after kube-proxy had followed the flip (one is one too many); and
for each host the requests it answered, and its endpoints' conditions (ready: ready=true serving=true; not ready:
ready=false serving=false). A request to a hung host fails a second after its start.`

// urls names the addresses that the client uses.
func (d *demo) urls() string {
	urls := make([]string, 0, len(d.clusterIPs))
	for _, addr := range d.clusterIPs {
		urls = append(urls, "http://"+addr.String())
	}
	return strings.Join(urls, " and ")
}

// conclude prints the outcome and returns the exit code.
func (d *demo) conclude(err error) int {
	if t := d.ledger.tally(); t.requests > 0 {
		d.screen.heading("Summary")
		_, writes := d.board.history()
		d.screen.print(summary(t, d.hosts, writes))
	}
	switch {
	case err == nil:
		d.screen.heading(d.screen.paint(green, "PASSED") + d.afterSeconds() +
			": no request failed after a flip, every host came back, and nothing was written without need")
		return sandbox.ExitPassed
	case errors.Is(err, errInterrupted):
		d.showLog(cluster.OperatorBinary)
		d.screen.heading(d.screen.paint(yellow, "INTERRUPTED") + d.afterSeconds())
		return sandbox.ExitInterrupted
	}
	d.showLog(programOf(err))
	d.screen.heading(d.screen.paint(red, "FAILED") + d.afterSeconds() + ": " + err.Error())
	return sandbox.ExitFailed
}

func (d *demo) afterSeconds() string {
	return " after " + strings.TrimSpace(d.screen.stamp())
}

// showLog prints the end of a program's log, if it has written one.
func (d *demo) showLog(program string) {
	if program == "" {
		return
	}
	tail, err := cluster.LogTail(d.logDir(), program, logLines)
	if err != nil {
		return // it was never started
	}
	d.screen.heading(fmt.Sprintf("The end of the log of %s", program))
	d.screen.print(lines(tail))
}
