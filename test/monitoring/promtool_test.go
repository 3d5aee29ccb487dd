// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build promtool

package monitoring

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// promtool runs it in a folder.
func promtool(t *testing.T, folder string, arguments ...string) (output string, err error) {
	t.Helper()
	program := os.Getenv("PROMTOOL")
	if program == "" {
		t.Fatal("PROMTOOL is not set: run `make verify-alerts`, which finds promtool first")
	}
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Dir = folder
	text, err := command.CombinedOutput()
	return string(text), err
}

// withRules makes a folder with the rules as a rule file.
func withRules(t *testing.T) string {
	t.Helper()
	var object struct{ Spec any }
	if err := yaml.Unmarshal(read(t, root, "config", "prometheus", "rules.yaml"), &object); err != nil {
		t.Fatal(err)
	}
	return withFile(t, object.Spec)
}

func withFile(t *testing.T, rules any) string {
	t.Helper()
	text, err := yaml.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "rules.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestRulesAreValid(t *testing.T) {
	if output, err := promtool(t, withRules(t), "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestAlertsFireAsTheyShould(t *testing.T) {
	for _, path := range cases(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			folder := withRules(t)
			if err := os.WriteFile(filepath.Join(folder, "cases.yaml"), read(t, path), 0o600); err != nil {
				t.Fatal(err)
			}
			if output, err := promtool(t, folder, "test", "rules", "cases.yaml"); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// TestDashboardIsPromQL has promtool read each of its expressions as a rule.
func TestDashboardIsPromQL(t *testing.T) {
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	check := func(expr string) (string, error) {
		group := map[string]any{"name": "dashboard", "rules": []rule{{"an:expression", expr}}}
		return promtool(t, withFile(t, map[string]any{"groups": []any{group}}), "check", "rules", "rules.yaml")
	}
	if output, err := check("sum by (state (externalbackend_targets)"); err == nil || !strings.Contains(output, "parse error") {
		t.Errorf("what is no PromQL passes: %v\n%s", err, output)
	}
	expressions := dashboard(t).expressions()
	for _, where := range slices.Sorted(maps.Keys(expressions)) {
		if output, err := check(expressions[where]); err != nil {
			t.Errorf("%s: %v\n%s", where, err, output)
		}
	}
}
