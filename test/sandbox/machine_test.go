// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"maps"
	"slices"
	"testing"
)

func TestChangesOfTheMachineAreTold(t *testing.T) {
	before := Machine{
		settings: map[string]string{"vm/overcommit_memory": "0", "net/ipv4/conf/veth1/forwarding": "0", "kernel/panic": "0"},
		modules:  []string{"overlay"},
		mounts:   []string{"22 1 254:0 / / rw - ext4 /dev/vda rw"},
		links:    []string{"lo", "eth0"},
	}
	for name, test := range map[string]struct {
		change func(*Machine)
		want   []string
	}{
		"nothing": {func(*Machine) {}, nil},
		"a setting is another one": {
			func(m *Machine) { m.settings["vm/overcommit_memory"] = "1" },
			[]string{`the kernel's setting vm/overcommit_memory was "0" and is "1"`},
		},
		"a setting is gone": {func(m *Machine) { delete(m.settings, "kernel/panic") }, []string{"the kernel no longer has the setting kernel/panic"}},
		"a setting is new":  {func(m *Machine) { m.settings["net/nf_conntrack_max"] = "1" }, []string{"the kernel has a new setting net/nf_conntrack_max"}},
		"a setting is new, with a module": {func(m *Machine) {
			m.settings["net/nf_conntrack_max"] = "1"
			m.modules = []string{"nf_conntrack", "overlay"}
		}, nil},
		"a setting of a link goes with it": {func(m *Machine) { delete(m.settings, "net/ipv4/conf/veth1/forwarding") }, nil},
		"a setting of a link is another one": {
			func(m *Machine) { m.settings["net/ipv4/conf/veth1/forwarding"] = "1" },
			[]string{`the kernel's setting net/ipv4/conf/veth1/forwarding was "0" and is "1"`},
		},
		"a control group is left": {
			func(m *Machine) { m.groups = []string{"/sys/fs/cgroup/pids/kubepods"} },
			[]string{"there is a new control group: /sys/fs/cgroup/pids/kubepods"},
		},
		"a mount is left": {
			func(m *Machine) { m.mounts = append(slices.Clone(m.mounts), "23 22 0:30 / /run rw - tmpfs tmpfs rw") },
			[]string{"there is a new mount: 23 22 0:30 / /run rw - tmpfs tmpfs rw"},
		},
		"a link is gone": {func(m *Machine) { m.links = m.links[:1] }, []string{"there is no longer the network link: eth0"}},
	} {
		after := before
		after.settings = maps.Clone(before.settings)
		test.change(&after)
		if got := before.Changes(after); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestPodsOfTheMachinesOwnKubeletComeAndGo(t *testing.T) {
	before := Machine{groups: []string{"/sys/fs/cgroup/pids/kubepods/pod1"}}
	after := Machine{groups: []string{"/sys/fs/cgroup/pids/kubepods/pod2", "/sys/fs/cgroup/pids/" + controlGroupName("demo")}}
	want := []string{"there is a new control group: /sys/fs/cgroup/pids/" + controlGroupName("demo")}
	if got := before.Changes(after); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheMachineIsSeen(t *testing.T) {
	m, err := LookAtMachine("demo")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.settings) == 0 || len(m.mounts) == 0 || !slices.Contains(m.links, "lo") {
		t.Errorf("%d settings, %d mounts, links %q", len(m.settings), len(m.mounts), m.links)
	}
}
