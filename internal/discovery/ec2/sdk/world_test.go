// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server that speaks the protocols of AWS over pipes, so that it lives in
// the time of a bubble. answer says what it answers.
type world struct {
	listener pipes
	server   *http.Server
	answer   func(call request) (int, string)

	mu       sync.Mutex
	requests []request
	outcomes []string
}

// request is what the server was asked.
type request struct {
	action, region, key, token string
	form                       url.Values
	at                         time.Time
}

// settings are those of the environment that the tests need, which must be made
// outside a bubble.
func settings(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "AKIAOPERATOROPERATOR", "AWS_SECRET_ACCESS_KEY": "operatorsecret",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_CA_BUNDLE": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_MAX_ATTEMPTS": "9",
	} {
		t.Setenv(name, value)
	}
}

func start(t *testing.T, answer func(request) (int, string)) (*world, *Connector) {
	t.Helper()
	a := &world{listener: pipes{make(chan net.Conn), make(chan struct{})}, answer: answer}
	a.server = &http.Server{Handler: http.HandlerFunc(a.serve)}
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.listener) }()
	c := New(Options{Observe: func(service, operation, outcome string, _ time.Duration) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.outcomes = append(a.outcomes, service+" "+operation+" "+outcome)
	}})
	c.client.Transport.(*http.Transport).DialContext = a.listener.dial
	t.Cleanup(func() {
		c.CloseIdle()
		if err := a.server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return a, c
}

func (a *world) serve(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	call := request{
		action: r.Form.Get("Action"), form: r.Form, at: time.Now(),
		token: r.Header.Get("X-Amz-Security-Token"),
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		call.action = strings.TrimPrefix(target, "AmazonSQS.")
	}
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		parts := strings.Split(scope, "/")
		call.key, call.region = parts[0], parts[2]
	}
	a.mu.Lock()
	a.requests = append(a.requests, call)
	a.mu.Unlock()
	status, body := a.answer(call)
	if status == 0 { // It hangs.
		<-r.Context().Done()
		return
	}
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// asked returns the requests of an action.
func (a *world) asked(action string) []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []request
	for _, r := range a.requests {
		if r.action == action {
			found = append(found, r)
		}
	}
	return found
}

// pipes is a listener without a network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func instancesXML(next string, ids ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet>`)
	for _, id := range ids {
		fmt.Fprintf(&b, "<item><ownerId>1</ownerId><instancesSet><item><instanceId>%s</instanceId></item></instancesSet></item>", id)
	}
	fmt.Fprintf(&b, "</reservationSet><nextToken>%s</nextToken></DescribeInstancesResponse>", next)
	return b.String()
}

func ec2Error(code, message string) string {
	return fmt.Sprintf("<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors></Response>", code, message)
}

func stsError(code, message string) string {
	return fmt.Sprintf("<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
}

func assumedXML(operation, key string, expires time.Time) string {
	return fmt.Sprintf("<%[1]sResponse><%[1]sResult><Credentials><AccessKeyId>%[2]s</AccessKeyId><SecretAccessKey>rolesecret</SecretAccessKey>"+
		"<SessionToken>roletoken</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>",
		operation, key, expires.UTC().Format(time.RFC3339))
}

func failureIn(t *testing.T, err error) *ec2.Failure {
	t.Helper()
	failure, ok := errors.AsType[*ec2.Failure](err)
	if !ok {
		t.Fatalf("got %v, not a failure", err)
	}
	return failure
}
