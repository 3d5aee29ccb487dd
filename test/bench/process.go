// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end before it is killed.
const stopGrace = 15 * time.Second

// process is a running program whose processor time is measured.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait; read only after ended is closed
}

// startProcess starts a program that logs to folder/name.log. It gets a process
// group of its own, so that a Ctrl-C on the terminal reaches this one only.
func startProcess(folder, name string, cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(filepath.Join(folder, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child holds its own copy
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) cpuTime() (time.Duration, error) { return cpuTime(p.cmd.Process.Pid) }

// stop ends the process and returns when it is gone.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended already
	select {
	case <-p.ended:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// operator is the process of serveOperator.
type operator struct {
	*process
	commands io.Closer
	in       *json.Encoder
	out      *json.Decoder
}

// startOperator starts this program in the role of the operator.
func startOperator(folder, kubeconfig, nameServer string) (*operator, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, roleOperator, kubeconfig, nameServer)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// Not StdoutPipe: Wait, which runs beside the reader, would close it.
	stdout, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = write
	p, err := startProcess(folder, "operator", cmd)
	write.Close()
	if err != nil {
		return nil, err
	}
	return &operator{process: p, commands: stdin, in: json.NewEncoder(stdin), out: json.NewDecoder(bufio.NewReader(stdout))}, nil
}

// stop ends the operator in its own way, by the end of its commands.
func (o *operator) stop() {
	_ = o.commands.Close()
	select {
	case <-o.ended:
	case <-time.After(stopGrace):
		o.process.stop()
	}
}

// send has a command carried out.
func (o *operator) send(c command) ([]moment, error) {
	var a answer
	if err := errors.Join(o.in.Encode(c), o.out.Decode(&a)); err != nil {
		return nil, fmt.Errorf("the operator does not answer, see its log: %w", err)
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Known, nil
}

// put makes verdicts known to the operator, spread over a time.
func (o *operator) put(addresses []string, healthy bool, over time.Duration) ([]moment, error) {
	c := command{Healthy: healthy, Over: over}
	for _, address := range addresses {
		addr, err := netip.ParseAddr(address)
		if err != nil {
			return nil, err
		}
		c.Addresses = append(c.Addresses, addr)
	}
	return o.send(c)
}
