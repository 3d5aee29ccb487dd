// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Tool is a program of the system, and the distributions' package with it.
type Tool struct{ Program, Package string }

// Every sandbox needs these.
var basicTools = []Tool{
	{"nft", "nftables"},
	{"ip", "iproute2"}, // Fedora and relatives: iproute
}

// IPTables is what kube-proxy needs in iptables mode.
var IPTables = []Tool{{"iptables-save", "iptables"}, {"ip6tables-restore", "iptables"}}

// machineProblems returns what this machine lacks, each with what to do.
func machineProblems(opts Options) []string {
	var problems, packages []string
	for _, t := range append(slices.Clone(basicTools), opts.Tools...) {
		if _, err := exec.LookPath(t.Program); err != nil {
			problems = append(problems, fmt.Sprintf("the program %q is missing (package %s)", t.Program, t.Package))
			if !slices.Contains(packages, t.Package) {
				packages = append(packages, t.Package)
			}
		}
	}
	if len(packages) > 0 {
		problems = append(problems, installHint(packages))
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		problems = append(problems, "the kernel was started without IPv6 (ipv6.disable=1), and the Service has both families: start it with IPv6")
	}
	if opts.Containers {
		problems = append(problems, containerProblems(opts)...)
	}
	if opts.Userns {
		if problem := userNamespaceProblem(readSysctl); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

func installHint(packages []string) string {
	names := strings.Join(packages, " ")
	return fmt.Sprintf("install with `sudo apt-get install %s` (Debian, Ubuntu) or `sudo dnf install %s` (Fedora, RHEL)",
		names, strings.ReplaceAll(names, "iproute2", "iproute"))
}

// userNamespaceProblem says why this user cannot have a user namespace with
// full rights in it, or returns "" if no known setting forbids it.
func userNamespaceProblem(sysctl func(string) string) string {
	for _, setting := range []struct{ name, forbids, allow string }{
		{"user.max_user_namespaces", "0", "10000"},
		{"kernel.unprivileged_userns_clone", "0", "1"},             // Debian's and Arch's patch
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"}, // Ubuntu 23.10 and later
	} {
		if sysctl(setting.name) == setting.forbids {
			return fmt.Sprintf("this system does not give namespaces to unprivileged users (%s = %s): run `sudo sysctl -w %s=%s`, or this as root",
				setting.name, setting.forbids, setting.name, setting.allow)
		}
	}
	return ""
}

// readSysctl returns the kernel setting's value, or "" where there is none.
func readSysctl(name string) string {
	content, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

// extendPath adds the folders of system tools to PATH, where Debian's nft and
// ip are, but which Debian leaves out of an ordinary user's PATH.
func extendPath() error {
	path := os.Getenv("PATH")
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if !slices.Contains(filepath.SplitList(path), dir) {
			path += string(os.PathListSeparator) + dir
		}
	}
	return os.Setenv("PATH", path)
}
