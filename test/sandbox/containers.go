// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelSettings are the settings of the whole machine that a kubelet sets, with
// the values that it wants.
var kernelSettings = map[string]string{
	"kernel/keys/root_maxbytes": "25000000",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
}

// writtenFolders are where a kubelet and a container runtime write, whatever
// they are told. What is mounted below them cannot be seen inside.
var writtenFolders = []string{"/etc", "/opt", "/var"}

// makeReadOnly makes all that is mounted read-only, in this mount namespace only.
// What is mounted later is not.
func makeReadOnly() error {
	attributes := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, attributes); err != nil {
		return fmt.Errorf("make all mounts read-only: %w", err)
	}
	return nil
}

// hiddenProblems says which of the paths, or of what they are links to, the
// overlays hide, because they are on mounts below the folders.
func hiddenProblems(mounts string, paths []string) []string {
	var problems []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := mountPath.Replace(fields[4])
		for _, dir := range writtenFolders {
			if point != dir && within(dir, point) && hides(point, paths) {
				problems = append(problems, fmt.Sprintf("%s is a mount below %s, which cannot be seen inside, and something that is needed is there: "+
					"have the project elsewhere, and what it builds (XDG_CACHE_HOME)", point, dir))
			}
		}
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}

// mountPath reads how /proc/self/mountinfo writes paths.
var mountPath = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// enterForContainers does what Options.Containers says.
func (s *Sandbox) enterForContainers() error {
	for _, step := range []func() error{s.mountControlGroups, s.shieldKernelSettings, s.coverFolders} {
		if err := step(); err != nil {
			return err
		}
	}
	// Containers get volumes that are mounted after their start.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	return nil
}

// mountControlGroups mounts the hierarchies anew: what is mounted of them now
// shows the groups of the whole machine.
func (s *Sandbox) mountControlGroups() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	const root, flags = "/sys/fs/cgroup", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("sysfs", "/sys", "sysfs", flags, ""); err != nil {
		return fmt.Errorf("mount /sys: %w", err)
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", flags, "mode=755"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", root, err)
	}
	for _, h := range all {
		name, options := strings.TrimPrefix(h.controllers, "name="), h.controllers
		if name != h.controllers {
			options = "none," + h.controllers
		}
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", dir, "cgroup", flags, options); err != nil {
			return fmt.Errorf("mount the control groups with %s: %w", h.controllers, err)
		}
		if !strings.Contains(name, ",") {
			continue
		}
		for controller := range strings.SplitSeq(name, ",") {
			if err := os.Symlink(name, filepath.Join(root, controller)); err != nil {
				return err
			}
		}
	}
	return nil
}

// shieldKernelSettings puts files in the place of the settings, which show
// the wanted values and do nothing.
func (s *Sandbox) shieldKernelSettings() error {
	for name, value := range kernelSettings {
		setting := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(setting); err != nil {
			continue // this kernel has none
		}
		file := filepath.Join(s.StateDir, "sandbox/kernel", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, setting, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("shield %s: %w", setting, err)
		}
	}
	return nil
}

// coverFolders mounts overlays over the folders, which take what is written.
func (s *Sandbox) coverFolders() error {
	for _, dir := range writtenFolders {
		upper, work := filepath.Join(s.StateDir, "sandbox/upper", dir), filepath.Join(s.StateDir, "sandbox/work", dir)
		for _, made := range []string{upper, work} {
			if err := os.MkdirAll(made, 0o755); err != nil {
				return err
			}
		}
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work)
		if err := unix.Mount("overlay", dir, "overlay", 0, options); err != nil {
			return fmt.Errorf("mount an overlay over %s: %w", dir, err)
		}
	}
	return nil
}
