// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"testing"
)

// TestVersionIsPrinted: the binary says what it was built as, and needs no cluster for it.
func TestVersionIsPrinted(t *testing.T) {
	if os.Getenv("MANAGER_TEST_MAIN") != "" {
		linkedVersion, linkedRevision = "1.2.3", "0123abc"
		os.Args = []string{"manager", "--version"}
		main()
		os.Exit(0)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run=^TestVersionIsPrinted$")
	command.Env = append(os.Environ(), "MANAGER_TEST_MAIN=1", "KUBECONFIG="+filepath.Join(t.TempDir(), "none"))
	out, err := command.Output()
	if err != nil {
		t.Fatalf("manager --version: %v", err)
	}
	if !regexp.MustCompile(`^externalbackend-operator 1\.2\.3 \(revision 0123abc, go1\.\S+, \w+/\w+\)\n$`).Match(out) {
		t.Errorf("manager --version prints %q", out)
	}
}

func TestVersionFlag(t *testing.T) {
	for _, test := range []struct {
		args []string
		want bool
	}{{nil, false}, {[]string{"--version"}, true}, {[]string{"--version=false"}, false}} {
		if o, err := parseFlags(test.args, &bytes.Buffer{}); err != nil || o.version != test.want {
			t.Errorf("%q: version is %v (%v), want %v", test.args, o.version, err, test.want)
		}
	}
}

// A build that the linker told nothing knows what Go recorded.
func TestRecordedBuild(t *testing.T) {
	for name, test := range map[string]struct {
		settings []debug.BuildSetting
		want     build
	}{
		"without a repository": {nil, build{"(devel)", ""}},
		"of a commit":          {[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, build{"(devel)", "abc"}},
		"of changed files":     {[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}, build{"(devel)", "abc-dirty"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := recordedBuild(&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: test.settings}); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if b := thisBuild(); b.version == "" || b.revision == "" {
		t.Errorf("something of %+v is empty", b)
	}
}
