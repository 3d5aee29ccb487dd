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
	"regexp"
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

// lively are the settings, or folders of them, that change by themselves or by
// whatever else the machine does.
var lively = []string{
	"fs/aio-nr", "fs/binfmt_misc", "fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/quota",
	"kernel/ns_last_pid", "kernel/perf_event_max_sample_rate", "kernel/pty/nr", "kernel/random", "kernel/tainted", "net/netfilter/nf_conntrack_count", "vm/stat_refresh",
}

// ofPods says whether a control group is one that a kubelet makes.
func ofPods(group string) bool { return strings.Contains(group, "kubepods") }

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
		if ofPods(path) || strings.Contains(path, mine) {
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

// ofLink matches the settings of one network link. They come and go with it.
var ofLink = regexp.MustCompile(`^net/ipv[46]/(conf|neigh)/`)

// changes tells how another look differs.
func (m machine) changes(after machine) []string {
	var all []string
	names := maps.Clone(m.settings)
	maps.Copy(names, after.settings)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, before := m.settings[name]
		is, now := after.settings[name]
		switch {
		case before && now && was != is:
			all = append(all, fmt.Sprintf("the kernel's setting %s was %q and is %q", name, was, is))
		case before != now && !ofLink.MatchString(name):
			all = append(all, fmt.Sprintf("the kernel has the setting %s: it was %t, and is %t", name, before, now))
		}
	}
	if slices.ContainsFunc(m.groups, ofPods) { // of a kubelet that the machine has
		m.groups = slices.DeleteFunc(slices.Clone(m.groups), ofPods)
		after.groups = slices.DeleteFunc(slices.Clone(after.groups), ofPods)
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
