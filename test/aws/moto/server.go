// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package moto runs moto server, an AWS that others have written, for tests, and
// says to it what there is.
package moto

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"externalbackend.dev/operator/test/aws/query"
	"externalbackend.dev/operator/test/aws/sigv4"
)

// stopGrace is how long it may take to end when it is asked to.
const stopGrace = 10 * time.Second

// AccountID is the account of every key that moto does not know.
const AccountID = "123456789012"

// ErrAbsent says that the machine has no moto.
var ErrAbsent = errors.New("moto is not installed: pip install 'moto[autoscaling,ec2,iam,server,sqs,sts]' " +
	"(.ci/run does), and have moto_server or python3 with it in PATH")

// Server is a running moto server.
type Server struct {
	url   string
	http  *http.Client
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is gone
	tail  tail
}

// Start starts moto on a free port of the loopback address.
func Start(ctx context.Context) (*Server, error) {
	command, err := find(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{http: &http.Client{Transport: &http.Transport{}}, ended: make(chan struct{})}
	s.cmd = exec.Command(command[0], append(command[1:], "-H", "127.0.0.1", "-p", "0")...)
	// A group of its own: moto_server may be a script that starts Python.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	address := make(chan string, 1)
	go s.read(output, address)
	select {
	case s.url = <-address:
	case <-s.ended:
		return nil, fmt.Errorf("moto ended at once:\n%s", s.tail.String())
	case <-ctx.Done():
		s.Close()
		return nil, fmt.Errorf("moto does not say where it listens: %w\n%s", ctx.Err(), s.tail.String())
	}
	if err := s.post(ctx, "/moto-api/reset", ""); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// find returns the command that runs moto.
func find(ctx context.Context) ([]string, error) {
	for _, command := range [][]string{{"moto_server"}, {"python3", "-m", "moto.server"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue
		}
		if exec.CommandContext(ctx, command[0], append(command[1:], "--help")...).Run() == nil {
			return command, nil
		}
	}
	return nil, ErrAbsent
}

var listens = regexp.MustCompile(`Running on (http://127\.0\.0\.1:[0-9]+)`)

// read reads what moto prints, until it ends.
func (s *Server) read(output io.Reader, address chan<- string) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		s.tail.add(lines.Text())
		if found := listens.FindStringSubmatch(lines.Text()); found != nil {
			select {
			case address <- found[1]:
			default: // it said so before
			}
		}
	}
	_, _ = io.Copy(io.Discard, output) // what no line can hold
	_ = s.cmd.Wait()
	close(s.ended)
}

// Close ends moto and returns when it is gone.
func (s *Server) Close() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(stopGrace):
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.ended
	}
	s.http.CloseIdleConnections()
}

// URL is the endpoint of all services, as for AWS_ENDPOINT_URL.
func (s *Server) URL() string { return s.url }

// Reset has moto forget everything, and ask nobody for permissions.
func (s *Server) Reset(ctx context.Context) error {
	return errors.Join(s.post(ctx, "/moto-api/reset", ""), s.Enforce(ctx, false))
}

// Enforce says whether signatures are verified and IAM policies enforced from now
// on. A key must be that of a user, or of a role that was assumed.
func (s *Server) Enforce(ctx context.Context, on bool) error {
	requests := "inf" // that are let pass
	if on {
		requests = "0"
	}
	return s.post(ctx, "/moto-api/reset-auth", requests)
}

func (s *Server) post(ctx context.Context, path, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := s.http.Do(request)
	if err != nil {
		return fmt.Errorf("moto: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("moto: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("moto answers %s to %s: %s", answer.Status, path, text)
	}
	return nil
}

// Client returns who asks moto with this key.
func (s *Server) Client(key sigv4.Key, region string) *Client {
	return &Client{query.Client{URL: s.url, Key: key, Region: region, HTTP: s.http}, s}
}

// tail is the end of what was printed.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	const kept = 50
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > kept {
		t.lines = slices.Delete(t.lines, 0, 1)
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text bytes.Buffer
	for _, line := range t.lines {
		text.WriteString("  " + line + "\n")
	}
	return text.String()
}
