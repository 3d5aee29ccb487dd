// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dns finds out which addresses stand behind names, and keeps what is
// known when the servers fail.
//
// A subscriber (an ExternalBackend) says with Resolver.Ensure which questions it
// has, and reads the state of each with Resolver.Lookup; Options.Changed tells it
// when one of them changed. A question is asked once, whoever has it, again and
// again as its TTL says within Options.MinTTL and Options.MaxTTL. Nobody ever
// waits for an answer.
//
// Names are absolute. The search list, domain and ndots of resolv.conf are
// ignored on purpose: what a name means must not depend on where it is asked.
//
// What may change members. Only a definitive answer does, see Outcome. A record
// that is missing from an answer stays a member until definitive answers have
// lacked it for three TTLs and for a minute, and for longer if records of this
// name have lately come back after longer absences: then every answer is a part
// of a pool. That a name with members has none any more, or does not exist, must
// be said for as long, and three times in a row, each time by another server if
// there are several. Time in which nothing was learned counts for nothing. See set
// and pool.
//
// Whom it asks. The servers of resolv.conf, or those given; see client. Answers
// are believed as far as they follow from the question by a chain of CNAME
// records, and no further; see parse.
//
// Isolation. Names that hang hold slots of their own, and groups of subscribers
// (namespaces) take turns; see dispatcher.
//
// What a name resolves to is as trustworthy as whoever runs its zone: callers
// vet every address and every name that they find here.
package dns
