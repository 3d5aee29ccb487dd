// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build archrules

package archrules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "externalbackend.dev/operator/"

// governed are the folders whose packages all need import rules.
var governed = []string{"api", "config", "controllers", "internal"}

// pure are the packages that do no input or output and read no clock.
var pure = []string{
	"internal/target", "internal/guard", "internal/health",
	"internal/sliceplan", "internal/translate", "internal/status",
}

// forbidden are imports that a package must not have. None of them closes a
// cycle, not even all of them together: the compiler would refuse those first.
var forbidden = map[string][]string{
	"api/v1alpha1":              {module + "internal/target", "sigs.k8s.io/controller-runtime/pkg/client"},
	"internal/target":           {"k8s.io/apimachinery/pkg/types", "net/http", "os"},
	"internal/guard":            {module + "internal/target", "net", "log"},
	"internal/health":           {module + "internal/sliceplan", module + "api/v1alpha1", "math/rand/v2"},
	"internal/sliceplan":        {"net/http", "sigs.k8s.io/controller-runtime/pkg/client", module + "internal/guard", "log/slog"},
	"internal/translate":        {module + "internal/probe", "k8s.io/client-go/rest"},
	"internal/status":           {module + "internal/metrics", "os/exec"},
	"internal/discovery/static": {module + "internal/probe", "k8s.io/api/core/v1"},
	"internal/discovery/dns":    {module + "internal/probe", "k8s.io/api/core/v1"},
	"internal/probe":            {module + "internal/sliceplan", "k8s.io/api/core/v1"},
	"internal/metrics":          {module + "internal/probe", "sigs.k8s.io/controller-runtime/pkg/metrics"},
	"controllers":               {module + "internal/probe", module + "internal/discovery/static", module + "internal/metrics", "net/http"},
	"cmd/manager":               {"sort"},
}

// finding is one issue that the linter reports.
type finding struct{ linter, file, text string }

func (f finding) String() string { return f.file + ": " + f.text + " (" + f.linter + ")" }

func TestTreeKeepsTheRules(t *testing.T) {
	if found := lint(t, copyTree(t)); len(found) > 0 {
		t.Errorf("the tree breaks its rules:\n%s", lines(found))
	}
}

func TestRulesBite(t *testing.T) {
	tree := copyTree(t)
	var wanted []finding
	plant := func(pkg, linter, mention, code string) {
		file := fmt.Sprintf("%s/planted%d.go", pkg, len(wanted))
		name := packageName(t, filepath.Join(tree, pkg))
		if err := os.WriteFile(filepath.Join(tree, file), []byte("package "+name+"\n\n"+code), 0o600); err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, finding{linter, file, mention})
	}

	for pkg, imports := range forbidden {
		for _, path := range imports {
			plant(pkg, "depguard", "'"+path+"'", fmt.Sprintf("import _ %q\n", path))
		}
	}
	// No package at all escapes the rules: none may have what only tests need.
	for _, pkg := range packages(t, tree) {
		plant(pkg, "depguard", "github.com/onsi/gomega", "import _ \"github.com/onsi/gomega\"\n")
	}
	plant(newPackage(t, tree), "depguard", "k8s.io/api/core/v1", "import _ \"k8s.io/api/core/v1\"\n")
	for _, pkg := range pure {
		plant(pkg, "forbidigo", "clock.Now", "import clock \"time\"\n\nvar _ = clock.Now()\n")
		plant(pkg, "forbidigo", "time.Sleep", "import \"time\"\n\nfunc init() { time.Sleep(1) }\n")
	}
	plant("controllers", "forbidigo", "context.Background", "import \"context\"\n\nvar _ = context.Background()\n")

	found := lint(t, tree)
	for _, w := range wanted {
		if !slices.ContainsFunc(found, func(f finding) bool {
			return f.linter == w.linter && f.file == w.file && strings.Contains(f.text, w.text)
		}) {
			t.Errorf("the linter accepts %s in %s; it says of that file:\n%s", w.text, w.file,
				lines(slices.DeleteFunc(slices.Clone(found), func(f finding) bool { return f.file != w.file })))
		}
	}
}

// copyTree copies the module's Go files and the linter's configuration, without
// tests and nested modules.
func copyTree(t *testing.T) string {
	t.Helper()
	const root = "../.."
	tree := t.TempDir()
	for _, part := range append([]string{"go.mod", "go.sum", ".golangci.yml", "cmd"}, governed...) {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(tree, rel)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, text, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// newPackage adds a package that no rule names, as somebody might.
func newPackage(t *testing.T, tree string) string {
	t.Helper()
	const pkg = "internal/discovery/unheardof"
	if err := os.MkdirAll(filepath.Join(tree, pkg), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, pkg, "doc.go"), []byte("package unheardof\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return pkg
}

// packages are the folders with Go files under the governed ones.
func packages(t *testing.T, tree string) []string {
	t.Helper()
	var dirs []string
	for _, top := range governed {
		err := filepath.WalkDir(filepath.Join(tree, top), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			rel, err := filepath.Rel(tree, filepath.Dir(path))
			dirs = append(dirs, filepath.ToSlash(rel))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

func packageName(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s (%v)", dir, err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), files[0], nil, parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	return file.Name.Name
}

// lint runs the two linters that hold the rules on the whole tree.
func lint(t *testing.T, tree string) []finding {
	t.Helper()
	binary := os.Getenv("GOLANGCI_LINT")
	if binary == "" {
		t.Fatal("GOLANGCI_LINT is not set: run this by `make verify-import-rules`")
	}
	cmd := exec.CommandContext(t.Context(), binary, "run", "--enable-only=depguard,forbidigo",
		"--output.json.path=stdout", "--output.text.path=stderr", "--show-stats=false", "./...")
	cmd.Dir = tree
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run() // fails if there are findings
	var report struct {
		Issues []struct {
			FromLinter, Text string
			Pos              struct{ Filename string }
		}
	}
	if jsonErr := json.NewDecoder(&stdout).Decode(&report); jsonErr != nil {
		t.Fatalf("%s: %v, %v\n%s", binary, err, jsonErr, stderr.Bytes())
	}
	var found []finding
	for _, i := range report.Issues {
		if i.FromLinter == "typecheck" {
			t.Fatalf("%s does not compile: %s", i.Pos.Filename, i.Text)
		}
		found = append(found, finding{i.FromLinter, filepath.ToSlash(i.Pos.Filename), i.Text})
	}
	if len(found) == 0 && err != nil {
		t.Fatalf("%s: %v\n%s", binary, err, stderr.Bytes())
	}
	return found
}

func lines(found []finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintln(&b, " ", f)
	}
	return b.String()
}
