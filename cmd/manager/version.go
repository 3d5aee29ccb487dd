// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// The Makefile has the linker set these; a plain go build leaves them empty.
var linkedVersion, linkedRevision string

// build says what the binary was built from.
type build struct{ version, revision string }

// thisBuild prefers what the linker was told to what Go recorded: that tells the
// version of a release apart, and this only a tag.
func thisBuild() build {
	var recorded build
	if info, ok := debug.ReadBuildInfo(); ok {
		recorded = recordedBuild(info)
	}
	return build{
		version:  cmp.Or(linkedVersion, recorded.version, "unknown"),
		revision: cmp.Or(linkedRevision, recorded.revision, "unknown"),
	}
}

// recordedBuild reads what Go records of a build in a clone of the repository.
func recordedBuild(info *debug.BuildInfo) build {
	b, modified := build{version: info.Main.Version}, false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if b.revision != "" && modified {
		b.revision += "-dirty"
	}
	return b
}

// String is what --version prints.
func (b build) String() string {
	return fmt.Sprintf("externalbackend-operator %s (revision %s, %s, %s/%s)", b.version, b.revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
