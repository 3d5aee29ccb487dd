// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
)

// TestEveryReasonAndConditionOfTheAPIIsProduced by a case above: a constant
// that nothing produces is a promise that is not kept.
func TestEveryReasonAndConditionOfTheAPIIsProduced(t *testing.T) {
	produced := make(map[string]bool)
	for _, tt := range conditionCases() {
		for _, c := range status.Compute(backend(), good(tt.edits...)).Status.Conditions {
			produced[c.Reason], produced[c.Type] = true, true
		}
	}
	for _, tt := range identityCases() {
		for _, c := range status.ComputeIdentity(working(tt.edits...)).Status.Conditions {
			produced[c.Reason], produced[c.Type] = true, true
		}
	}
	produced[v1alpha1.ReasonPending] = true // by the API server
	declared := constants(t)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !produced[declared[name]] {
			t.Errorf("no case produces %s (%q)", name, declared[name])
		}
	}
	if len(declared) < 20 {
		t.Errorf("only %d constants found", len(declared))
	}
}

// constants reads the exported Reason and Condition constants of the API
// package from its source.
func constants(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "api", "v1alpha1", "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %v, %v", paths, err)
	}
	found := make(map[string]string)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") && !strings.HasPrefix(spec.Names[0].Name, "Condition") {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is no literal", spec.Names[0].Name)
			}
			if found[spec.Names[0].Name], err = strconv.Unquote(literal.Value); err != nil {
				t.Fatal(err)
			}
			return true
		})
	}
	return found
}
