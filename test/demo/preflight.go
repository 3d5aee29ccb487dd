// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"externalbackend.dev/operator/test/cluster"
)

// operatorBinary is the operator's name in the folder of binaries.
const operatorBinary = "manager"

// The distributions' packages with the tools.
var toolPackages = []struct{ tool, pkg string }{
	{"nft", "nftables"},
	{"ip", "iproute2"}, // Fedora and relatives: iproute
}

// preflight returns what is missing, each with what to do.
func preflight(opts options) []string {
	problems := machineProblems(opts.userns)
	if !opts.check {
		problems = append(problems, projectProblems(opts)...)
	}
	return problems
}

// machineProblems returns what this machine lacks.
func machineProblems(userns bool) []string {
	var problems, packages []string
	for _, t := range toolPackages {
		if _, err := exec.LookPath(t.tool); err != nil {
			problems = append(problems, fmt.Sprintf("the program %q is missing (package %s)", t.tool, t.pkg))
			packages = append(packages, t.pkg)
		}
	}
	if len(packages) > 0 {
		problems = append(problems, installHint(packages))
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		problems = append(problems, "the kernel was started without IPv6 (ipv6.disable=1), and the Service has both families: start it with IPv6")
	}
	if userns {
		if problem := userNamespaceProblem(readSysctl); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

// projectProblems returns what has not been built, or is not where it should be.
func projectProblems(opts options) []string {
	var problems []string
	for _, name := range append(slices.Clone(cluster.Binaries), operatorBinary) {
		path := filepath.Join(opts.binDir, name)
		if _, err := exec.LookPath(path); err != nil {
			target := "make controlplane"
			if name == operatorBinary {
				target = "make build"
			}
			problems = append(problems, fmt.Sprintf("%s is not there or not executable: run `%s`, or `make demo`, which does both", path, target))
		}
	}
	if _, err := os.Stat(filepath.Join(opts.configDir, "kustomization.yaml")); err != nil {
		problems = append(problems, fmt.Sprintf("%s has no kustomization.yaml: run the demo from the project's folder, or name it with --config", opts.configDir))
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
			return fmt.Sprintf("this system does not give namespaces to unprivileged users (%s = %s): run `sudo sysctl -w %s=%s`, or the demo as root",
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
