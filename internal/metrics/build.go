// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterBuild registers the series that tells which build of the operator runs.
// Its value is always 1.
func RegisterBuild(registry prometheus.Registerer, version, revision string) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "externalbackend_build_info",
		Help: "The build of the operator that runs, by version, revision of the source and version of Go; always 1.",
		ConstLabels: prometheus.Labels{
			"version": version, "revision": revision, "goversion": runtime.Version(),
		},
	}, func() float64 { return 1 }))
}
