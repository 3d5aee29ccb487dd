// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Where what is tested lies.
var (
	root     = filepath.Join("..", "..")
	runbooks = filepath.Join(root, "docs", "runbooks")
)

type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

type prometheusRule struct {
	Spec struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func alerts(t *testing.T) (list []alert) {
	t.Helper()
	var object prometheusRule
	if err := yaml.Unmarshal(read(t, root, "config", "prometheus", "rules.yaml"), &object); err != nil {
		t.Fatal(err)
	}
	for _, group := range object.Spec.Groups {
		list = append(list, group.Rules...)
	}
	if len(list) == 0 {
		t.Fatal("there are no alerts")
	}
	return list
}

func names(list []alert) (names []string) {
	for _, a := range list {
		names = append(names, a.Alert)
	}
	return slices.Sorted(slices.Values(names))
}

func TestAlertsUseMetricsThatExist(t *testing.T) {
	known := served(t)
	for _, a := range alerts(t) {
		for _, fault := range known.faults(a.Expr) {
			t.Errorf("%s: %s", a.Alert, fault)
		}
	}
}

// TestAlertsSayWhatIsNeeded: how bad it is, what it is, and where to read on.
func TestAlertsSayWhatIsNeeded(t *testing.T) {
	label := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, a := range alerts(t) {
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", a.Alert, s)
		}
		if a.For == "" {
			t.Errorf("%s fires at once: say with for how long it waits", a.Alert)
		}
		if want := "docs/runbooks/" + a.Alert + ".md"; a.Annotations["runbook"] != want {
			t.Errorf("%s has the runbook %q, want %q", a.Alert, a.Annotations["runbook"], want)
		}
		for _, kind := range []string{"summary", "description"} {
			text := a.Annotations[kind]
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: its %s is no sentence: %q", a.Alert, kind, text)
			}
			for _, match := range label.FindAllStringSubmatch(text, -1) {
				if !regexp.MustCompile(`(by|on) \([^)]*\b` + match[1] + `\b`).MatchString(a.Expr) {
					t.Errorf("%s: its %s has the label %s, which the expression does not keep", a.Alert, kind, match[1])
				}
			}
		}
	}
}

// TestEveryAlertHasARunbook and every runbook an alert, and the index has them all.
func TestEveryAlertHasARunbook(t *testing.T) {
	entries, err := os.ReadDir(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, e := range entries {
		if e.Name() != "README.md" {
			pages = append(pages, strings.TrimSuffix(e.Name(), ".md"))
		}
	}
	if want := names(alerts(t)); !slices.Equal(pages, want) {
		t.Errorf("runbooks %q, want those of %q", pages, want)
	}
	var listed []string
	for _, match := range regexp.MustCompile(`\[(\w+)\]\((\w+)\.md\)`).FindAllStringSubmatch(string(read(t, runbooks, "README.md")), -1) {
		if match[1] == match[2] {
			listed = append(listed, match[1])
		}
	}
	slices.Sort(listed)
	if !slices.Equal(listed, pages) {
		t.Errorf("the index lists %q, want %q", listed, pages)
	}
}

// TestRunbooksAreComplete: each says the same things in the same order, and for how
// long its alert waits as the alert does.
func TestRunbooksAreComplete(t *testing.T) {
	for _, a := range alerts(t) {
		page := string(read(t, runbooks, a.Alert+".md"))
		var headings []string
		for _, match := range regexp.MustCompile(`(?m)^(#+ .*)$`).FindAllStringSubmatch(strings.Join(regexp.MustCompile("(?s)```.*?```").Split(page, -1), ""), -1) {
			headings = append(headings, match[1])
		}
		want := []string{"# " + a.Alert, "## Meaning", "## Impact", "## Diagnosis", "## Cure"}
		if !slices.Equal(headings, want) {
			t.Errorf("%s has the headings %q, want %q", a.Alert, headings, want)
		}
		if says := "Severity: " + a.Labels["severity"] + ". It fires after " + a.For + ","; !strings.Contains(page, says) {
			t.Errorf("%s does not say %q", a.Alert, says)
		}
		if !strings.Contains(page, "```shell\n") {
			t.Errorf("%s shows no command", a.Alert)
		}
	}
}

// TestPagesNameMetricsThatExist: runbooks and the page about metrics.
func TestPagesNameMetricsThatExist(t *testing.T) {
	known := served(t)
	metric := regexp.MustCompile(`\b(externalbackend|controller_runtime|workqueue|rest_client|leader_election|process|certwatcher|go)_[a-z0-9_]*[a-z0-9]\b`)
	pages, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(root, "docs", "metrics.md")) {
		for _, name := range metric.FindAllString(string(read(t, page)), -1) {
			if _, ok := known.labels(name); !ok {
				t.Errorf("%s: there is no metric %s", page, name)
			}
		}
	}
}

// TestEveryAlertIsTried: it fires in one case, and is silent in another.
func TestEveryAlertIsTried(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, path := range cases(t) {
		var file struct {
			Tests []struct {
				Alerts []struct {
					Name     string `json:"alertname"`
					Expected []any  `json:"exp_alerts"`
				} `json:"alert_rule_test"`
			}
		}
		if err := yaml.Unmarshal(read(t, path), &file); err != nil {
			t.Fatal(err)
		}
		for _, test := range file.Tests {
			for _, a := range test.Alerts {
				fires[a.Name] = fires[a.Name] || len(a.Expected) > 0
				silent[a.Name] = silent[a.Name] || len(a.Expected) == 0
			}
		}
	}
	known := names(alerts(t))
	for _, name := range known {
		if !fires[name] || !silent[name] {
			t.Errorf("%s: fires in a case: %t, is silent in another: %t", name, fires[name], silent[name])
		}
	}
	for name := range fires {
		if !slices.Contains(known, name) {
			t.Errorf("a case is about %s, which is no alert", name)
		}
	}
}

func cases(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("cases", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %v, %v", paths, err)
	}
	return paths
}
