// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"slices"
	"strings"
	"testing"
)

func TestHierarchiesOfControlGroups(t *testing.T) {
	const mounts = `30 25 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:11 - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 /docker/1 /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
35 30 0:31 / /sys/fs/cgroup/systemd rw,nosuid shared:12 - cgroup cgroup rw,xattr,name=systemd
`
	for _, test := range []struct {
		group string // a line of /proc/self/cgroup
		want  string // folder; "" if the hierarchy is not mounted
	}{
		{"3:cpu,cpuacct:/user.slice", "/sys/fs/cgroup/cpu,cpuacct/user.slice"},
		{"4:memory:/docker/1/job", "/sys/fs/cgroup/memory/job"},
		{"4:memory:/docker/1", "/sys/fs/cgroup/memory"},
		{"4:memory:/elsewhere", "/sys/fs/cgroup/memory"}, // what can be seen of it
		{"1:name=systemd:/", "/sys/fs/cgroup/systemd"},
		{"5:pids:/", ""},
		{"0::/user.slice", ""}, // version 2
	} {
		got := parseHierarchies(test.group, mounts)
		if test.want == "" && len(got) == 0 || len(got) == 1 && got[0].dir == test.want {
			continue
		}
		t.Errorf("%s is at %+v, want %q", test.group, got, test.want)
	}
}

func TestMissingControllersAreNamed(t *testing.T) {
	complete := []hierarchy{{"cpu,cpuacct", ""}, {"cpuset", ""}, {"devices", ""}, {"memory", ""}, {"pids", ""}}
	if got := controllerProblems(complete); len(got) > 0 {
		t.Errorf("nothing is missing, and it says %q", got)
	}
	got := strings.Join(controllerProblems(slices.Clone(complete[:3])), "\n")
	if !strings.Contains(got, "the controllers memory, pids:") {
		t.Errorf("memory and pids are missing, and it says %q", got)
	}
}
