// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	_ "sigs.k8s.io/controller-runtime" // registers its metrics
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"externalbackend.dev/operator/internal/metrics"
)

// catalogue has the labels of every metric that the operator can serve, by its name.
type catalogue map[string][]string

// ofTargets are labels that Prometheus itself gives what it scrapes.
var ofTargets = []string{"job", "instance"}

var description = regexp.MustCompile(`fqName: "([^"]+)".* constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

// served describes the metrics of the operator and of controller-runtime, with or
// without a series.
func served(t *testing.T) catalogue {
	t.Helper()
	own := prometheus.NewRegistry()
	metrics.New(own, func() metrics.CheckerStats { return metrics.CheckerStats{} },
		func() metrics.ResolverStats { return metrics.ResolverStats{} }, func() []metrics.SourceStats { return nil })
	metrics.RegisterBuild(own, "", "")
	known := catalogue{}
	for _, registry := range []any{own, ctrlmetrics.Registry} {
		descriptions := make(chan *prometheus.Desc)
		go func() {
			defer close(descriptions)
			registry.(prometheus.Collector).Describe(descriptions)
		}()
		for d := range descriptions {
			match := description.FindStringSubmatch(d.String())
			if match == nil {
				t.Fatalf("%s cannot be read", d)
			}
			known[match[1]] = word.FindAllString(quoted.ReplaceAllString(match[2], "")+","+match[3], -1)
		}
	}
	if len(known) < 40 {
		t.Fatalf("only %d metrics found", len(known))
	}
	return known
}

var ofHistograms = regexp.MustCompile(`_(bucket|sum|count)$`)

// labels of a series, and whether there is one of that name.
func (c catalogue) labels(name string) (labels []string, ok bool) {
	if labels, ok = c[name]; ok {
		return labels, true
	}
	labels, ok = c[ofHistograms.ReplaceAllString(name, "")]
	return append([]string{"le"}, labels...), ok
}

var (
	quoted   = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	duration = regexp.MustCompile(`\[[^\]]*\]`)
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)?\{([^}]*)\}`)
	grouping = regexp.MustCompile(`\b(by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	word     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	number   = regexp.MustCompile(`\b[0-9.]+(e[0-9]+)?\b`)
	// language are the words of PromQL that expressions use.
	language = strings.Fields("absent and histogram_quantile increase max min or rate sum time unless vector")
)

// faults names what of an expression the operator does not serve.
func (c catalogue) faults(expr string) (list []string) {
	expr = duration.ReplaceAllString(quoted.ReplaceAllString(expr, `""`), "")
	var used, grouped []string
	for _, group := range grouping.FindAllStringSubmatch(expr, -1) {
		grouped = append(grouped, word.FindAllString(group[2], -1)...)
	}
	expr = grouping.ReplaceAllString(expr, " ")
	for _, match := range selector.FindAllStringSubmatch(expr, -1) {
		labels, _ := c.labels(match[1])
		for _, label := range word.FindAllString(match[2], -1) {
			if !slices.Contains(labels, label) && !slices.Contains(ofTargets, label) {
				list = append(list, match[1]+" has no label "+label)
			}
		}
	}
	expr = selector.ReplaceAllString(expr, "$1 ")
	for _, name := range word.FindAllString(number.ReplaceAllString(expr, " "), -1) {
		if slices.Contains(language, name) {
			continue
		}
		labels, ok := c.labels(name)
		if !ok {
			list = append(list, "there is no metric "+name)
		}
		used = append(used, labels...)
	}
	for _, label := range grouped {
		if !slices.Contains(used, label) && !slices.Contains(ofTargets, label) {
			list = append(list, "nothing has the label "+label)
		}
	}
	return list
}

// TestFaultsAreFound: the check itself notices what it is there for.
func TestFaultsAreFound(t *testing.T) {
	known := served(t)
	for expr, want := range map[string]string{
		`sum by (state) (externalbackend_targets{name="x"}) > 0`:                               "",
		`rate(go_goroutines[5m]) and on (job, instance) up`:                                    "there is no metric up",
		`externalbackend_targets{reason="x"}`:                                                  "externalbackend_targets has no label reason",
		`sum by (region) (externalbackend_targets)`:                                            "nothing has the label region",
		`sum by (le) (rate(externalbackend_check_scheduling_lag_seconds_bucket{le="1"}[5m]))`:  "",
		`externalbackend_target`:                                                               "there is no metric externalbackend_target",
		`label_values(externalbackend_targets, namespace)`:                                     "there is no metric label_values, there is no metric namespace",
		`histogram_quantile(0.99, sum by (le) (rate(externalbackend_check_duration_sum[5m])))`: "there is no metric externalbackend_check_duration_sum",
		`sum by (version, instance) (externalbackend_build_info)`:                              "",
		`go_gc_gomemlimit_bytes < 1e18`:                                                        "",
	} {
		if got := strings.Join(known.faults(expr), ", "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}
