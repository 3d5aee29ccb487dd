// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"externalbackend.dev/operator/test/aws/sigv4"
)

// call is one request that is being answered.
type call struct {
	server             *Server
	service, operation string
	params             url.Values // of the query protocols
	body               []byte
	by                 *principal // nil: the request is not signed and need not be
	region             *Region
	hidden             map[string]bool // ids of instances that are not seen
	id                 string          // of the request
	//nolint:containedctx // a call is one request
	gone context.Context
}

// failure is an error that AWS answers with.
type failure struct {
	status        int
	code, message string
}

func fail(status int, code, message string) *failure { return &failure{status, code, message} }

// operation is something that a service does.
type operation struct {
	service string
	// answer is called with the lock held. What it returns is encoded by encode,
	// unless it is a func() (any, *failure): that is called without the lock, and may
	// wait.
	answer func(c *call) (any, *failure)
}

var operations = map[string]operation{
	"DescribeInstances":            {"ec2", (*call).describeInstances},
	"DescribeInstanceStatus":       {"ec2", (*call).describeInstanceStatus},
	"DescribeNetworkInterfaces":    {"ec2", (*call).describeNetworkInterfaces},
	"GetCallerIdentity":            {"sts", (*call).getCallerIdentity},
	"AssumeRole":                   {"sts", (*call).assumeRole},
	"AssumeRoleWithWebIdentity":    {"sts", (*call).assumeRoleWithWebIdentity},
	"DescribeAutoScalingInstances": {"autoscaling", (*call).describeAutoScalingInstances},
	"ReceiveMessage":               {"sqs", (*call).receiveMessage},
	"DeleteMessage":                {"sqs", (*call).deleteMessage},
	"DeleteMessageBatch":           {"sqs", (*call).deleteMessageBatch},
	"GetQueueAttributes":           {"sqs", (*call).getQueueAttributes},
	podIdentity:                    {podIdentity, (*call).podCredentials},
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const largest = 1 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largest))
	if err != nil {
		return
	}
	c := &call{server: s, body: body, gone: r.Context()}
	c.identify(r)
	result, failed, damage := c.answer(r)
	if damage.reset {
		reset(w)
		return
	}
	if wait, ok := result.(func() (any, *failure)); ok {
		result, failed = wait()
		s.mu.Lock()
		c.conclude(failed)
		s.mu.Unlock()
	}
	c.write(w, result, failed, damage)
}

// identify finds out what is asked for.
func (c *call) identify(r *http.Request) {
	if target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."); ok {
		c.service, c.operation = "sqs", target
		return
	}
	if r.Method == http.MethodGet && r.URL.Path == podIdentityPath {
		c.service, c.operation = podIdentity, podIdentity
		c.params = url.Values{"Token": {r.Header.Get("Authorization")}}
		return
	}
	c.params, _ = url.ParseQuery(string(c.body))
	c.operation = c.params.Get("Action")
	c.service = operations[c.operation].service
	if auth, err := sigv4.Parse(r.Header); c.service == "" && err == nil {
		c.service = auth.Service
	}
}

// answer decides, under the lock, what is answered.
func (c *call) answer(r *http.Request) (any, *failure, damage) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.id = "00000000-0000-4000-8000-" + strconv.FormatInt(int64(100000000000+s.next()), 10)
	refused := c.authenticate(r)
	c.record(r)
	var done damage
	if refused == nil {
		refused, done = c.apply(r)
	}
	var result any
	if refused == nil && !done.reset {
		do, known := operations[c.operation]
		if !known {
			refused = fail(400, "InvalidAction", "The action "+c.operation+" is not valid for this web service.")
		} else {
			result, refused = do.answer(c)
		}
	}
	c.conclude(refused)
	return result, refused, done
}

// authenticate finds out who asks and where. Requests without a signature are for
// those that need none.
func (c *call) authenticate(r *http.Request) *failure {
	if c.operation == "AssumeRoleWithWebIdentity" || c.operation == podIdentity {
		return nil
	}
	auth, err := sigv4.Parse(r.Header)
	if err != nil {
		return c.unsigned(err)
	}
	p := c.server.keys[auth.KeyID]
	if p == nil {
		return c.unknownKey()
	}
	if auth.Service != c.service {
		return c.wrongSignature("Credential should be scoped to correct service: '" + c.service + "'.")
	}
	if err := sigv4.Verify(r, c.body, auth, p.key.Secret); err != nil {
		return c.wrongSignature(err.Error())
	}
	if r.Header.Get("X-Amz-Security-Token") != p.key.Token {
		return c.unknownKey()
	}
	c.by, c.region = p, p.account.region(auth.Region)
	if p.expired {
		return c.expired()
	}
	if c.region.disabled {
		if c.operation == "AssumeRole" {
			return fail(403, "RegionDisabledException", "STS is not activated in this region for account:"+p.account.id)
		}
		return c.unknownKey()
	}
	return nil
}

func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
