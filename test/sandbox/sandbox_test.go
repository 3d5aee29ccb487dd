// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPreflightNamesEverythingThatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got := strings.Join(machineProblems(Options{Tools: IPTables}), "\n")
	for _, want := range []string{
		`"nft"`, `"ip"`, `"iptables-save"`, "apt-get install nftables iproute2 iptables`", "dnf install nftables iproute iptables`",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

func TestUserNamespaceProblemNamesTheSetting(t *testing.T) {
	for _, test := range []struct {
		settings map[string]string
		want     string // contained; "" for no problem
	}{
		{map[string]string{"user.max_user_namespaces": "96365"}, ""},
		{map[string]string{"user.max_user_namespaces": "0"}, "sysctl -w user.max_user_namespaces=10000"},
		{map[string]string{"kernel.unprivileged_userns_clone": "0"}, "sysctl -w kernel.unprivileged_userns_clone=1"},
		{map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"}, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "0"}, ""},
	} {
		got := userNamespaceProblem(func(name string) string { return test.settings[name] })
		if got == "" != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, want %q in it", test.settings, got, test.want)
		}
	}
}

func TestMountPointHidesNothingThatIsNeeded(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "bin")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(inside, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir: true, inside: true, link: true, filepath.Join(dir, "..", filepath.Base(dir)+"-other"): false, "/elsewhere": false,
	} {
		if got := hides(dir, []string{path}); got != want {
			t.Errorf("%s hides %s: %t, want %t", dir, path, got, want)
		}
	}
	if got, err := stateMountPoint(stateCandidates, "/run/project/bin"); err != nil || got == "/run" {
		t.Errorf("mount point = %q, %v; want another than /run, where the project is", got, err)
	}
}

func TestWhatOverlaysHideIsNamed(t *testing.T) {
	const mounts = `22 1 254:0 / / rw - ext4 /dev/vda rw
23 22 0:30 / /var rw - ext4 /dev/vdb rw
24 23 0:31 / /var/lib/jenkins\040home rw - ext4 /dev/vdc rw
25 22 0:32 / /variety rw - ext4 /dev/vdd rw
`
	for path, want := range map[string]string{
		"/var/project/bin":             "",
		"/variety/project":             "",
		"/srv":                         "",
		"/var/lib/jenkins home/op/bin": "/var/lib/jenkins home is a mount",
	} {
		got := strings.Join(hiddenProblems(mounts, []string{path}), "\n")
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestOnlyRunMakesAProgramGoInside(t *testing.T) {
	for _, args := range [][]string{nil, {"--bin=bin"}, {insideArgument}, {insideArgument, "here"}} {
		if s, rest := Inside(args); s != nil || !slices.Equal(rest, args) {
			t.Errorf("%q is inside, with %q", args, rest)
		}
	}
	cmd, err := insideCommand(Options{Name: "demo", Args: []string{"--check"}, Userns: true})
	if err != nil {
		t.Fatal(err)
	}
	s, rest := Inside(cmd.Args[1:])
	if s == nil || s.Name != "demo" || s.StateDir == "" || !s.Userns || !slices.Equal(rest, []string{"--check"}) {
		t.Errorf("%q is %+v with %q", cmd.Args[1:], s, rest)
	}
}
