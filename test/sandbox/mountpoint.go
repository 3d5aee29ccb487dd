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

// stateMountPoint returns a folder that a tmpfs can be mounted over, in the
// sandbox's mount namespace only, without hiding any of the paths. A folder of
// our own would stay behind if the sandbox were killed.
func stateMountPoint(paths ...string) (string, error) {
	candidates := []string{"/run", "/dev/shm", "/mnt"}
	for _, dir := range candidates {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !hides(dir, paths) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no place for the state: each of %s is missing, or holds the project", strings.Join(candidates, ", "))
}

// hides says whether one of the paths, or what it is a link to, lies below dir.
func hides(dir string, paths []string) bool {
	for _, path := range paths {
		resolved, err := filepath.EvalSymlinks(path)
		if err != nil {
			resolved = path
		}
		for _, p := range []string{path, resolved} {
			if rel, err := filepath.Rel(dir, p); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
				return true
			}
		}
	}
	return false
}
