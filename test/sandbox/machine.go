// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Machine is what a sandbox for containers could change on the machine, or leave
// behind. That no process is left follows from the control groups: one with a
// process cannot be removed.
type Machine struct {
	settings map[string]string // of the kernel, by their path
	modules  []string          // of the kernel
	groups   []string          // control groups of Pods, and of this process's sandbox
	mounts   []string
	links    []string // of the network
}

// lively are the settings, or folders of them, that change by themselves or by
// whatever else the machine does.
var lively = []string{
	"fs/aio-nr", "fs/binfmt_misc", "fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/quota",
	"kernel/hung_task_detect_count", "kernel/hung_task_warnings", "kernel/ns_last_pid", "kernel/perf_event_max_sample_rate",
	"kernel/pty/nr", "kernel/random", "kernel/tainted", "net/netfilter/nf_conntrack_count", "vm/stat_refresh",
}

// LookAtMachine returns what is there now, for a sandbox with the name.
func LookAtMachine(name string) (m Machine, err error) {
	if m.settings, err = settings("/proc/sys"); err != nil {
		return m, err
	}
	modules, err := os.ReadFile("/proc/modules")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel may have all built in
		return m, err
	}
	for line := range strings.Lines(string(modules)) {
		module, _, _ := strings.Cut(line, " ")
		m.modules = append(m.modules, module)
	}
	if m.groups, err = groups("/sys/fs/cgroup", controlGroupName(name)); err != nil {
		return m, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(mounts)) {
		m.mounts = append(m.mounts, strings.TrimSpace(line))
	}
	links, err := os.ReadDir("/sys/class/net")
	for _, link := range links {
		m.links = append(m.links, link.Name())
	}
	return m, err
}

// settings returns those below a folder that can be read.
func settings(folder string) (map[string]string, error) {
	all := map[string]string{}
	return all, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, folder+"/")
		if err != nil || slices.Contains(lively, name) {
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() {
			if content, err := os.ReadFile(path); err == nil { // some can only be written
				all[name] = strings.TrimSpace(string(content))
			}
		}
		return nil
	})
}

// groups returns the control groups below a folder that a kubelet makes, and those
// below one with the name.
func groups(folder, own string) (all []string, err error) {
	return all, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if entry == nil || err == nil && !entry.IsDir() {
			return err
		}
		if err != nil {
			return fs.SkipDir // others come and go meanwhile
		}
		if strings.HasPrefix(entry.Name(), controlGroupPrefix) && entry.Name() != own {
			return fs.SkipDir // another sandbox's
		}
		if ofPods(path) || strings.Contains(path, own) {
			all = append(all, path)
		}
		return nil
	})
}

// ofPods says whether a control group is one that a kubelet makes.
func ofPods(group string) bool { return strings.Contains(group, "kubepods") }

// ofLink matches the settings of one network link. They come and go with it.
var ofLink = regexp.MustCompile(`^net/ipv[46]/(conf|neigh)/`)

// Changes tells how a later look differs, whoever is the cause. A module that the
// kernel has loaded is no change, nor are the settings that it brings.
func (m Machine) Changes(after Machine) []string {
	all := m.changedSettings(after)
	if slices.ContainsFunc(m.groups, ofPods) { // of a kubelet that the machine has
		m.groups = slices.DeleteFunc(slices.Clone(m.groups), ofPods)
		after.groups = slices.DeleteFunc(slices.Clone(after.groups), ofPods)
	}
	for _, list := range []struct {
		of      string
		was, is []string
	}{
		{"control group", m.groups, after.groups}, {"mount", m.mounts, after.mounts}, {"network link", m.links, after.links},
	} {
		for _, is := range list.is {
			if !slices.Contains(list.was, is) {
				all = append(all, fmt.Sprintf("there is a new %s: %s", list.of, is))
			}
		}
		for _, was := range list.was {
			if !slices.Contains(list.is, was) {
				all = append(all, fmt.Sprintf("there is no longer the %s: %s", list.of, was))
			}
		}
	}
	return all
}

func (m Machine) changedSettings(after Machine) []string {
	var all []string
	names := maps.Clone(m.settings)
	maps.Copy(names, after.settings)
	loaded := !slices.Equal(m.modules, after.modules)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, before := m.settings[name]
		is, now := after.settings[name]
		switch {
		case before && now && was != is:
			all = append(all, fmt.Sprintf("the kernel's setting %s was %q and is %q", name, was, is))
		case before && !now && !ofLink.MatchString(name):
			all = append(all, fmt.Sprintf("the kernel no longer has the setting %s", name))
		case now && !before && !ofLink.MatchString(name) && !loaded:
			all = append(all, fmt.Sprintf("the kernel has a new setting %s", name))
		}
	}
	return all
}
