// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// machine is what a node could change on the machine, or leave behind. That no
// process is left follows from the control groups: one with a process cannot
// be removed.
type machine struct {
	settings map[string]string // of the kernel, by their path
	groups   []string          // control groups of Pods, and of this run
	mounts   []string
	links    []string
}

// lively are the settings, or folders of them, that change by themselves.
var lively = []string{
	"fs/aio-nr", "fs/binfmt_misc", "fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/quota",
	"kernel/ns_last_pid", "kernel/pty/nr", "kernel/random", "net/netfilter/nf_conntrack_count", "vm/stat_refresh",
}

// lookAtMachine returns what is there now.
func lookAtMachine() (machine, error) {
	m := machine{settings: map[string]string{}}
	const settings = "/proc/sys"
	err := filepath.WalkDir(settings, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, settings+"/")
		if err != nil || slices.Contains(lively, name) {
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() {
			if content, err := os.ReadFile(path); err == nil { // some can only be written
				m.settings[name] = strings.TrimSpace(string(content))
			}
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	mine := fmt.Sprintf("-%s-%d", suiteName, os.Getpid())
	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if entry == nil || err == nil && !entry.IsDir() {
			return err
		}
		if err != nil {
			return fs.SkipDir // others come and go meanwhile
		}
		if strings.HasPrefix(entry.Name(), "externalbackend-") && !strings.HasSuffix(entry.Name(), mine) {
			return fs.SkipDir // another run's
		}
		if strings.Contains(path, "kubepods") || strings.Contains(path, mine) {
			m.groups = append(m.groups, path)
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return m, err
	}
	m.mounts = slices.Collect(strings.Lines(string(mounts)))
	links, err := os.ReadDir("/sys/class/net")
	for _, link := range links {
		m.links = append(m.links, link.Name())
	}
	return m, err
}

// changes tells how another look differs.
func (m machine) changes(after machine) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m.settings)) {
		if was, is := m.settings[name], after.settings[name]; was != is {
			all = append(all, fmt.Sprintf("the kernel's setting %s was %q and is %q", name, was, is))
		}
	}
	for what, lists := range map[string][2][]string{
		"control group": {m.groups, after.groups}, "mount": {m.mounts, after.mounts}, "network link": {m.links, after.links},
	} {
		for _, is := range lists[1] {
			if !slices.Contains(lists[0], is) {
				all = append(all, "there is a new "+what+": "+strings.TrimSpace(is))
			}
		}
		for _, was := range lists[0] {
			if !slices.Contains(lists[1], was) {
				all = append(all, "there is no longer the "+what+": "+strings.TrimSpace(was))
			}
		}
	}
	return all
}
