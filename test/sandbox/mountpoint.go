// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// stateCandidates are the folders that a tmpfs for the state can be mounted over.
var stateCandidates = []string{"/run", "/dev/shm", "/mnt"}

// stateMountPoint returns that of the folders which a tmpfs can be mounted over, in the
// sandbox's mount namespace only, without hiding any of the paths. A folder of
// our own would stay behind if the sandbox were killed.
func stateMountPoint(candidates []string, paths ...string) (string, error) {
	for _, dir := range candidates {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !hides(dir, paths) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no place for the state: %s is missing, or holds the project", strings.Join(candidates, " or "))
}

// hides says whether one of the paths, or what it is a link to, lies below dir.
func hides(dir string, paths []string) bool {
	for _, path := range paths {
		resolved, err := filepath.EvalSymlinks(path)
		if err != nil {
			resolved = path
		}
		if within(dir, path) || within(dir, resolved) {
			return true
		}
	}
	return false
}

// within says whether a path is dir or lies below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
