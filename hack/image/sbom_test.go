// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestBillListsWhatGoLists compares the bill of this very command with what the
// go command reads from its binary.
func TestBillListsWhatGoLists(t *testing.T) {
	folder := t.TempDir()
	binary, output := filepath.Join(folder, "image"), filepath.Join(folder, "image-1.2.3")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOWORK=off", "GOFLAGS=")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	listed, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for line := range strings.Lines(string(listed)) {
		if fields := strings.Fields(line); fields[0] == "dep" {
			wanted = append(wanted, fields[1]+"@"+strings.ReplaceAll(fields[2], "+", "%2B"))
		}
	}
	if len(wanted) < 4 {
		t.Fatalf("go lists too few modules to compare: %s", listed)
	}

	mustCommand(t, "", "build", "-binary", binary, "-name", "image:1.2.3", "-output", output+".tar")
	var bom cdx.BOM
	decode(t, string(read(t, output+".cdx.json")), &bom)
	var got []string
	for _, c := range *bom.Components {
		url, _ := strings.CutPrefix(c.PackageURL, "pkg:golang/")
		if strings.HasPrefix(url, "stdlib@1.") {
			continue
		}
		got = append(got, url)
		if c.Hashes == nil || len((*c.Hashes)[0].Value) != 2*32 {
			t.Errorf("%s has no hash", url)
		}
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("the bill lists %q, and go %q", got, wanted)
	}
	if len(*bom.Components) != len(wanted)+1 {
		t.Error("the standard library is not in the bill")
	}
	if c := bom.Metadata.Component; c.Version != "1.2.3" || c.Name != "externalbackend.dev/operator/hack/image" {
		t.Errorf("the bill is about %s %s", c.Name, c.Version)
	}
	if len(*(*bom.Dependencies)[0].Dependencies) != len(*bom.Components) {
		t.Error("the program does not depend on all that it consists of")
	}
	if bom.SerialNumber != "" {
		t.Errorf("the bill has the serial number %s, which no second build would have", bom.SerialNumber)
	}
}

func TestBillNamesTheVeryBinary(t *testing.T) {
	binary, output := hello(t, "amd64"), filepath.Join(t.TempDir(), "b")
	mustCommand(t, "", "build", "-binary", binary, "-name", "hello:1", "-output", output+".tar")
	var bom cdx.BOM
	decode(t, string(read(t, output+".cdx.json")), &bom)
	wanted := fmt.Sprintf("%x", sha256.Sum256(read(t, binary)))
	if hash := (*bom.Metadata.Component.Hashes)[0]; hash.Algorithm != cdx.HashAlgoSHA256 || hash.Value != wanted {
		t.Errorf("the hash of the program is %v, not %s", hash, wanted)
	}
}
