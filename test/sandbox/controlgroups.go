// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// neededControllers are those that a kubelet or a container runtime needs.
var neededControllers = []string{"cpu", "cpuacct", "cpuset", "devices", "memory", "pids"}

// removeBound is how long the kernel may take to let go of the control groups
// of processes that have ended.
const removeBound = 10 * time.Second

// hierarchy is a hierarchy of control groups of version 1.
type hierarchy struct {
	controllers string // as /proc/self/cgroup has them, such as "cpu,cpuacct" or "name=systemd"
	dir         string // of the control group that this process is in
}

// hierarchies returns those that are mounted.
func hierarchies() ([]hierarchy, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseHierarchies(string(groups), string(mounts)), nil
}

// parseHierarchies reads what the kernel writes to /proc/self/cgroup and
// /proc/self/mountinfo.
func parseHierarchies(groups, mounts string) []hierarchy {
	var all []hierarchy
	lines := bufio.NewScanner(strings.NewReader(groups))
	for lines.Scan() {
		// "4:memory:/path", and "0::/path" for version 2.
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) < 3 || fields[1] == "" {
			continue
		}
		if root, mountPoint, ok := findHierarchy(mounts, fields[1]); ok {
			dir := mountPoint
			if below, err := filepath.Rel(root, fields[2]); err == nil && !strings.HasPrefix(below, "..") {
				dir = filepath.Join(mountPoint, below)
			}
			all = append(all, hierarchy{fields[1], dir})
		}
	}
	return all
}

// findHierarchy returns which group of the hierarchy is mounted, and where.
func findHierarchy(mounts, controllers string) (root, mountPoint string, ok bool) {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(kind) < 3 || kind[0] != "cgroup" {
			continue
		}
		options := strings.Split(kind[2], ",")
		if !slices.ContainsFunc(strings.Split(controllers, ","), func(c string) bool { return !slices.Contains(options, c) }) {
			return place[3], place[4], true
		}
	}
	return "", "", false
}

// containerProblems returns what this machine lacks for containers.
func containerProblems(opts Options) []string {
	var problems []string
	if os.Geteuid() != 0 || opts.Userns {
		problems = append(problems, "it starts containers with control groups, which needs root: run it as root, without a user namespace")
	}
	all, err := hierarchies()
	if err != nil {
		return append(problems, err.Error())
	}
	problems = append(problems, controllerProblems(all)...)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return append(problems, err.Error())
	}
	return append(problems, hiddenProblems(string(mounts), opts.Paths)...)
}

// controllerProblems says which controllers are missing in the hierarchies.
func controllerProblems(all []hierarchy) []string {
	var there, missing []string
	for _, h := range all {
		there = append(there, strings.Split(h.controllers, ",")...)
	}
	for _, controller := range neededControllers {
		if !slices.Contains(there, controller) {
			missing = append(missing, controller)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("there are no hierarchies of control groups, version 1, with the controllers %s: "+
		"it cannot use version 2. Start the kernel with systemd.unified_cgroup_hierarchy=0 (with systemd 256 and 257 also SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1; later ones have no version 1), or mount them below /sys/fs/cgroup, and in a container, start that with --privileged",
		strings.Join(missing, ", "))}
}

// controlGroups is a control group of its own in each hierarchy, below the one
// that this process is in, so that its limits hold. All containers are below it.
type controlGroups struct {
	name string
	all  []hierarchy
}

const controlGroupPrefix = "externalbackend-"

// controlGroupName is that of the groups of a sandbox which this process makes.
func controlGroupName(name string) string {
	return fmt.Sprintf("%s%s-%d", controlGroupPrefix, name, os.Getpid())
}

// makeControlGroups makes the groups, and removes those that a process left which
// was killed. What it returns is to be removed even if it fails.
func makeControlGroups(name string) (*controlGroups, error) {
	g := &controlGroups{name: controlGroupName(name)}
	var err error
	if g.all, err = hierarchies(); err != nil {
		return g, err
	}
	for _, h := range g.all {
		removeAbandoned(h, controlGroupPrefix+name+"-")
		own := filepath.Join(h.dir, g.name)
		if err := os.Mkdir(own, 0o755); err != nil {
			return g, fmt.Errorf("make a control group: %w", err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			// A new group has none, and so no process can be in it.
			if content, err := os.ReadFile(filepath.Join(h.dir, file)); err == nil {
				if err := os.WriteFile(filepath.Join(own, file), content, 0); err != nil {
					return g, err
				}
			}
		}
	}
	return g, nil
}

// removeAbandoned removes the groups with the prefix of processes that are no more,
// one with the number of this process among them, which has not made any yet.
func removeAbandoned(h hierarchy, prefix string) {
	found, err := filepath.Glob(filepath.Join(h.dir, prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range found {
		owner, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), prefix))
		if err != nil {
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", owner)); errors.Is(err, fs.ErrNotExist) || owner == os.Getpid() {
			_ = removeTree(dir) // if it cannot be, it is in nobody's way
		}
	}
}

// start starts the command in the groups. The calling thread enters them and
// leaves them again: a new process is where the thread is that starts it, and
// that is where its control group namespace begins.
func (g *controlGroups) start(cmd *exec.Cmd) error {
	self := []byte(strconv.Itoa(unix.Gettid()))
	defer func() {
		for _, h := range g.all {
			_ = os.WriteFile(filepath.Join(h.dir, "tasks"), self, 0) // if it fails, remove says so
		}
	}()
	for _, h := range g.all {
		if err := os.WriteFile(filepath.Join(h.dir, g.name, "tasks"), self, 0); err != nil {
			return fmt.Errorf("enter a control group: %w", err)
		}
	}
	return cmd.Start()
}

// remove removes the groups and all groups in them.
func (g *controlGroups) remove() {
	deadline := time.Now().Add(removeBound)
	for _, h := range g.all {
		dir := filepath.Join(h.dir, g.name)
		for {
			err := removeTree(dir)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				fmt.Fprintf(os.Stderr, "the control group %s stays behind: %v\n", dir, err)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// removeTree removes a control group and all below it, whose files go with them.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return unix.Rmdir(dir)
}
