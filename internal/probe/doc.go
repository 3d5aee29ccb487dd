// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe runs the health checks of all ExternalBackends: one Scheduler
// for the process decides when each check runs, an Executor carries it out over
// sockets, and the results move the health states of every subscriber.
//
// A subscriber (an ExternalBackend) declares its targets with Ensure and reads
// verdicts with Statuses; Notify tells it when a verdict changed. Identical
// checks of the same address run once, whoever asked for them.
//
// Times. A check repeats on a fixed grid: its phase is a hash of address and
// definition, so that checks are spread evenly, a restart makes no burst, and
// neither response times nor delays make it drift. While a verdict is pending,
// checks follow each other at the edge interval instead. A target is never
// checked twice at the same time, and ticks that were missed collapse to one.
//
// Overload. Checks that find no slot wait, and their lag is reported; a check
// never fails for a cause on our side. A timeout that passed while the process
// was stalled is Indeterminate.
//
// Fairness. Slots, starts and the processor time of TLS handshakes and matching are shared
// between namespaces, so that none can delay the verdicts of another, whatever
// its targets do. Namespaces take turns, a check at a time, and a namespace may
// start one while it runs fewer than seven times as many as there are free
// slots: alone, it leaves an eighth free, for whoever comes. For those who find
// too few, checks of others that run more are ended, once they have run for long.
// The checks of targets that are Unhealthy count apart, by the same rule, and
// have half of the slots at most. A check that several namespaces want is queued
// for each, and counts for the one that has a turn first. First checks, checks of
// one address, and the number of checks are bounded for each namespace by itself,
// and the latter over all as well. See dispatcher, claim and Scheduler.room.
//
// Reach. The guard is asked before a check starts, and for the address and port
// that its socket is about to connect to. Answers are never followed anywhere,
// names are not resolved, and proxies in the environment are not used.
//
// An idle target has no goroutine and no timer: it is an entry in one heap.
package probe
