// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package static discovers the addresses of targets that are written down as
// literals.
package static

import "externalbackend.dev/operator/internal/target"

// Resolve returns the targets of an entry in the order given, and an error for
// each text that is not an address. A bad one never hides a good one.
func Resolve(entry string, literals []string) (targets []target.Target, problems []error) {
	targets = make([]target.Target, 0, len(literals))
	for _, text := range literals {
		addr, err := target.ParseAddr(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		targets = append(targets, target.Target{Addr: addr, Entry: entry})
	}
	return targets, problems
}
