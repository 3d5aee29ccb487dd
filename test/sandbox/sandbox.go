// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// Exit codes of a program that runs in a sandbox.
const (
	ExitPassed      = 0
	ExitFailed      = 1
	ExitCannotRun   = 2
	ExitInterrupted = 130
)

// insideArgument as first argument tells the program that it is inside; the
// second one is a Sandbox as JSON.
const insideArgument = "inside-sandbox"

// doorFD is the number that the first of exec.Cmd.ExtraFiles gets.
const doorFD = 3

func init() {
	// The main goroutine stays on the main thread. Outside, that thread's life
	// is what the parent-death signal hangs on. Inside, its network namespace
	// is the one that others see as this process's, so goroutines that enter
	// another namespace must not run on it.
	runtime.LockOSThread()
}

// Options say what runs inside and what that needs. Name is required.
type Options struct {
	// Name of the program, for messages.
	Name string
	// Args are the arguments of the program inside.
	Args []string
	// Env is added to its environment, which has nothing else of the user's:
	// no proxy, no KUBECONFIG.
	Env []string
	// Tools must be on the PATH.
	Tools []Tool
	// Paths stay visible inside, and what they are links to: nothing is mounted
	// over them.
	Paths []string
	// Userns makes a user namespace too, which users other than root need.
	Userns bool
	// Door opens a port on the loopback outside, see Sandbox.Door.
	Door bool
	// Containers makes the sandbox fit for a container runtime and a kubelet,
	// which only root can: it has control groups of its own, what they write to
	// /var, /etc, /opt and to the machine's kernel settings stays inside, and all
	// other files of the machine are read-only.
	Containers bool
}

// Sandbox is what the program inside knows about its namespaces.
type Sandbox struct {
	// Name of the program.
	Name string
	// StateDir is where the tmpfs is mounted: the only place for files.
	StateDir string
	// Userns says whether there is a user namespace too.
	Userns bool
	// Containers says whether it is fit for a container runtime.
	Containers bool

	outsidePID string
}

// Run checks the machine, runs this program with Options.Args in new namespaces,
// and returns its exit code. What runs there dies with this process.
func Run(opts Options) int {
	complain := func(format string, args ...any) int {
		fmt.Fprintf(os.Stderr, opts.Name+": "+format+"\n", args...)
		return ExitCannotRun
	}
	if err := extendPath(); err != nil {
		return complain("%v", err)
	}
	if problems := machineProblems(opts); len(problems) > 0 {
		return complain("it cannot run here:\n  - %s", strings.Join(problems, "\n  - "))
	}
	cmd, err := insideCommand(opts)
	if err == nil {
		var leave func()
		if leave, err = start(cmd, opts); leave != nil {
			defer leave()
		}
	}
	if err != nil {
		return complain("cannot make the namespaces it runs in: %v\n  %s", err, hint(opts.Userns, opts.Containers))
	}
	// The terminal's Ctrl-C reaches the program inside by itself; a signal to
	// this process alone has to be passed on. Handling it also keeps this
	// process alive until the other has said its last.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for range signals {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it fails only when the program has ended
		}
	}()
	_ = cmd.Wait() // the exit code says it all
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		complain("ended by signal: %v", status.Signal())
		return ExitFailed
	}
	return cmd.ProcessState.ExitCode()
}

// start starts the command, in control groups of its own if it is to run
// containers. The function it returns, if any, removes them when all of it has ended.
func start(cmd *exec.Cmd, opts Options) (func(), error) {
	if !opts.Containers {
		return nil, cmd.Start()
	}
	groups, err := makeControlGroups(opts.Name)
	if err != nil {
		return groups.remove, err
	}
	return groups.remove, groups.start(cmd)
}

func hint(userns, containers bool) string {
	switch {
	case containers:
		return "root needs CAP_SYS_ADMIN for it, and Linux 5.12: in a container, start that with --privileged"
	case !userns:
		return "root needs CAP_SYS_ADMIN for it: in a container, start that with --privileged, or try --userns"
	}
	return "run it as root, or allow unprivileged user namespaces; in a container, start that with --privileged"
}

// insideCommand returns the command that runs this program as the first
// process of new namespaces.
func insideCommand(opts Options) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	candidates := stateCandidates
	if opts.Containers {
		candidates = candidates[:1] // where a container runtime has its sockets, whatever it is told
	}
	state, err := stateMountPoint(candidates, append([]string{self}, opts.Paths...)...)
	if err != nil {
		return nil, err
	}
	passed, err := json.Marshal(Sandbox{Name: opts.Name, StateDir: state, Userns: opts.Userns, Containers: opts.Containers})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{insideArgument, string(passed)}, opts.Args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + state, "TMPDIR=" + state,
		"TERM=" + os.Getenv("TERM"), "NO_COLOR=" + os.Getenv("NO_COLOR"),
	}, opts.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL, // and the kernel kills everything else in the PID namespace
	}
	if opts.Containers {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWCGROUP
	}
	if opts.Userns {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if opts.Door {
		// A socket belongs to the network namespace that it was made in, so
		// the program inside can accept connections from out here.
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		cmd.ExtraFiles = []*os.File{file}
	}
	return cmd, nil
}
