// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scan is what govulncheck says of a vulnerability that is required, imported
// and called, and of one that is imported only.
const scan = `{"config": {"scanner_name": "govulncheck"}}
{"progress": {"message": "Scanning"}}
{"osv": {"id": "GO-2026-0001"}}
{"finding": {"osv": "GO-2026-0001", "fixed_version": "v1.1.0", "trace": [{"module": "a.example/m", "version": "v1.0.0"}]}}
{"finding": {"osv": "GO-2026-0001", "fixed_version": "v1.1.0", "trace": [{"module": "a.example/m", "version": "v1.0.0", "package": "a.example/m/p"}]}}
{"finding": {"osv": "GO-2026-0001", "fixed_version": "v1.1.0", "trace": [{"module": "a.example/m", "version": "v1.0.0", "package": "a.example/m/p", "function": "Parse"}]}}
{"finding": {"osv": "GO-2026-0002", "trace": [{"module": "b.example/m", "version": "v2.0.0", "package": "b.example/m"}]}}
`

func TestJudge(t *testing.T) {
	const until = `, until: "2026-12-31", reason: not reached}`
	for name, tc := range map[string]struct {
		scan, exceptions, day string
		want                  []string
	}{
		"clean":                               {`{"config": {}}`, "[]", "2026-12-01", nil},
		"found":                               {scan, "[]", "2026-12-01", []string{"GO-2026-0001: a.example/m@v1.0.0: a.example/m/p.Parse, fixed in v1.1.0"}},
		"found, with an exception":            {scan, "[{id: GO-2026-0001" + until + "]", "2026-12-31", nil},
		"found, the exception has run out":    {scan, "[{id: GO-2026-0001" + until + "]", "2027-01-01", []string{"GO-2026-0001 has run out (2026-12-31)"}},
		"found, the exception is too long":    {scan, "[{id: GO-2026-0001" + until + "]", "2026-09-01", []string{"further than three months"}},
		"not called, with an exception":       {scan, "[{id: GO-2026-0001" + until + ", {id: GO-2026-0002" + until + "]", "2026-12-01", []string{"GO-2026-0002 is needed no more"}},
		"the exception is for another one":    {scan, "[{id: GO-2026-0003" + until + "]", "2026-12-01", []string{"GO-2026-0001: a.example", "GO-2026-0003 is needed no more"}},
		"the database lacks what is excepted": {`{"config": {}}`, "[{id: GO-2026-9999" + until + "]", "2026-12-01", nil},
	} {
		t.Run(name, func(t *testing.T) {
			exceptions, err := parseExceptions([]byte(tc.exceptions))
			if err != nil {
				t.Fatal(err)
			}
			found := findings{}
			if err := found.add([]byte(tc.scan)); err != nil {
				t.Fatal(err)
			}
			day, err := time.Parse(time.DateOnly, tc.day)
			if err != nil {
				t.Fatal(err)
			}
			got := found.judge(exceptions, day, func(id string) bool { return id != "GO-2026-9999" })
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for i, want := range tc.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

// A scan that did not take place is no clean one.
func TestNoScan(t *testing.T) {
	for _, messages := range []string{"", `{"progress": {"message": "x"}}`, `{"config": {}} not JSON`} {
		if err := (findings{}).add([]byte(messages)); err == nil {
			t.Errorf("%q is taken for a scan", messages)
		}
	}
}

func TestExceptionsAreComplete(t *testing.T) {
	for _, text := range []string{
		`[{id: GO-2026-0001, until: "2026-12-31"}]`, `[{until: "2026-12-31", reason: r}]`, `[{id: CVE-2026-1, until: "2026-12-31", reason: r}]`,
		`[{id: GO-2026-0001, reason: r}]`, `[{id: GO-2026-0001, until: later, reason: r}]`, `[{id: GO-2026-0001, until: "2026-12-31", reason: r, more: x}]`,
	} {
		if _, err := parseExceptions([]byte(text)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	text, err := os.ReadFile("exceptions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseExceptions(text); err != nil {
		t.Error(err)
	}
}

// A folder that holds no database is told before anything is scanned.
func TestSource(t *testing.T) {
	if args, err := source(""); err != nil || args != nil {
		t.Errorf("the live database: %v, %v", args, err)
	}
	folder := t.TempDir()
	for _, name := range []string{folder, filepath.Join(folder, "none")} {
		if _, err := source(name); err == nil || !strings.Contains(err.Error(), "VULNDB is "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "GO-2026-0001.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(folder))
	args, err := source(filepath.Base(folder))
	if err != nil || len(args) != 2 || args[1] != "file://"+folder {
		t.Errorf("got %v, %v, want %s", args, err, folder)
	}
}

// TestDescribe: it is told which database is used, and a warning says that it is
// old or of unknown age.
func TestDescribe(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	if got := describe("", now); got != "https://vuln.go.dev" {
		t.Errorf("got %q", got)
	}
	for name, tc := range map[string]struct {
		entries []string
		warns   bool
		want    string
	}{
		"new": {[]string{
			`{"id": "GO-2026-0001", "modified": "0001-01-01T00:00:00Z", "published": "2026-11-02T10:00:00Z"}`,
			`{"id": "GO-2026-0002", "modified": "2026-11-20T10:00:00Z", "published": "2026-01-02T10:00:00Z"}`,
		}, false, "newest entry is of 2026-11-20"},
		"old":            {[]string{`{"id": "GO-2026-0001", "published": "2026-10-02T10:00:00Z"}`}, true, "2026-10-02"},
		"of unknown age": {[]string{`{"id": "GO-2026-0001", "published": "2026-11-30T10:00:00Z"}`, `{"published": "0001-01-01T00:00:00Z"}`}, true, "unknown how old this copy is: its last entry is GO-2026-0001"},
		"garbled":        {[]string{`{`}, true, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for i, entry := range tc.entries {
				if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("GO-2026-%04d.json", i)), []byte(entry), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := describe(folder, now)
			if !strings.HasPrefix(got, folder) || !strings.Contains(got, tc.want) || strings.Contains(got, "WARNING") != tc.warns {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestLater(t *testing.T) {
	ids := []string{"", "GO-2025-99999", "GO-2026-0001", "GO-2026-9999", "GO-2026-12345", "GO-2027-0001"}
	for i, a := range ids {
		for j, b := range ids {
			if later(a, b) != (i > j) {
				t.Errorf("later(%q, %q) is %t", a, b, i <= j)
			}
		}
	}
}
