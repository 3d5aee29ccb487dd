// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guard decides what may be targeted: one compiled, immutable matcher
// for planning, dialling and writing, so that no path is laxer than another.
//
// # Layers
//
// What denies is asked in this order, and the first that denies is reported:
//
//  1. Hard: compiled in, and no setting lifts it (but AllowClassE).
//  2. Cluster: Config.Networks, the cluster's own ranges and --deny-cidrs.
//     Config.Exempt lifts the former.
//  3. Policy: a deny of any policy that selects the namespace, and then the
//     lack of a grant by those of them that allow anything.
//  4. NoPolicy: no such policy, where one is required.
//  5. Networks that are staged: their denials come last, and only from them is
//     a caller free to spare what was published before.
//
// # Spellings
//
// An address is denied if it, or an IPv4 address that it carries, is denied.
// These carry one:
//
//   - IPv4-mapped, ::ffff:0:0/96 (RFC 4291, 2.5.5.2). It is the IPv4 address
//     itself: the rules for IPv4 hold for it, and those for IPv6 do not.
//   - IPv4-compatible, ::/96 (RFC 4291, 2.5.5.1).
//   - IPv4-translated, ::ffff:0:0:0/96 (RFC 2765, 2.1; RFC 7915).
//   - NAT64, 64:ff9b::/96 (RFC 6052, 2.1).
//   - NAT64 for local use, 64:ff9b:1::/48 (RFC 8215). The address does not tell
//     how long the translator's prefix is, so it is read at each length of
//     RFC 6052, 2.2 from 48 on: 48, 56, 64 and 96. Bits that ought to be zero
//     there are ignored, as translators do (RFC 6052, 2.3). A reading in
//     0.0.0.0/8 only says that the prefix has another length, unless all are.
//   - 6to4, 2002::/16 (RFC 3056, 2).
//   - Teredo, 2001::/32: the server, and the client with its bits inverted
//     (RFC 4380, 4).
//   - ISATAP, the interface identifiers ::5efe:a.b.c.d and ::200:5efe:a.b.c.d
//     below any prefix (RFC 5214, 6.1).
//
// What a network chose for itself cannot be told from the address: NAT64 with a
// prefix of the network's own (RFC 6052) and 6rd (RFC 5969). Such prefixes
// belong into --deny-cidrs.
//
// # Grants
//
// The allow part of a policy is one grant: address, port and way of checking
// must be granted by the same policy, and the grants of several policies unite.
// An address is granted if the policy's CIDRs contain it and everything that it
// carries: ::/0 does not open IPv4 through the back door, and 64:ff9b::/96
// along with 10.0.0.0/8 opens of NAT64 what leads to 10.0.0.0/8.
//
// A namespace that no policy with an allow part selects is open, but for what
// is denied, for reading response bodies and for status codes; with
// Config.RequirePolicy it is closed.
package guard
