// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"strings"
	"testing"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// BenchmarkSRVPorts translates the most that SRV records can make of an
// ExternalBackend: 100 names with 32 records each, all with a port and a host of
// their own, 8 checks and 128 KiB of certificates.
func BenchmarkSRVPorts(b *testing.B) {
	names := make([]v1alpha1.FQDNTarget, 100)
	for i := range names {
		names[i] = v1alpha1.FQDNTarget{Hostname: fmt.Sprintf("_http._tcp.n%d.example", i), Resolution: v1alpha1.ResolutionSRV}
	}
	bundle := certificate(b)
	bundle += strings.Repeat("#", 16384-len(bundle))
	eb := backend(withNames(names...), func(eb *v1alpha1.ExternalBackend) {
		for i := range eb.Spec.Targets {
			eb.Spec.Targets[i].Name = fmt.Sprintf("n%d", i)
		}
		for i := range 8 {
			eb.Spec.HealthCheck.Checks = append(eb.Spec.HealthCheck.Checks, v1alpha1.Check{
				Name: fmt.Sprintf("c%d", i), HTTP: &v1alpha1.HTTPCheck{}, TLS: &v1alpha1.CheckTLS{CABundle: bundle},
			})
		}
	})
	for b.Loop() {
		t := translate.ForService(eb, service(), 0)
		for i := range t.Entries {
			for n := range 32 {
				t.ChecksOf(t.SRVPorts(&t.Entries[i], uint16(1000+32*i+n)), fmt.Sprintf("h%d.n%d.example", n, i))
			}
		}
		if t.SpecProblem != nil || len(t.PortSets) != 3201 {
			b.Fatalf("%+v, %d sets", t.SpecProblem, len(t.PortSets))
		}
	}
}
