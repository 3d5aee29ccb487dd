// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"
	"weak"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

// Options configures a Connector.
type Options struct {
	// Observe is told about every attempt of every call: the service (ec2, sts,
	// autoscaling or sqs), the operation (such as DescribeInstances), its outcome (ok,
	// or the ec2.Kind of the failure), and how long it took, without waiting for its
	// turn. It is called from many goroutines. Default: nobody is told.
	Observe func(service, operation, outcome string, took time.Duration)
}

// Connector connects to AWS. It is safe for concurrent use.
type Connector struct {
	observe func(service, operation, outcome string, took time.Duration)
	client  *http.Client
	own     *own

	mu sync.Mutex
	// sessions by digest of their identity. A session is there for as long as
	// somebody has a connection of it, so credentials that are not used any more do
	// not stay in memory.
	sessions map[digest]weak.Pointer[session]
}

// digest of all that an identity says. It does not tell secrets.
type digest [sha256.Size]byte

// New returns a Connector. It asks nothing and reads nothing yet.
func New(opts Options) *Connector {
	if opts.Observe == nil {
		opts.Observe = func(string, string, string, time.Duration) {}
	}
	c := &Connector{
		observe:  opts.Observe,
		client:   newClient(),
		sessions: map[digest]weak.Pointer[session]{},
	}
	c.own = newOwn(c.client, opts.Observe)
	return c
}

// Connect implements ec2.Connector. Connections with equal identities share their
// credentials, and those to the same region their rate.
func (c *Connector) Connect(identity ec2.Identity, region string) ec2.API {
	return &connection{session: c.session(identity), region: region}
}

// CloseIdle closes the connections that no call uses.
func (c *Connector) CloseIdle() { c.client.CloseIdleConnections() }

func (c *Connector) session(identity ec2.Identity) *session {
	key := digestOf(identity)
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[key].Value(); s != nil {
		return s
	}
	s := newSession(identity, c.own, c.observe)
	c.sessions[key] = weak.Make(s)
	runtime.AddCleanup(s, c.forget, key)
	return s
}

// forget drops a session that is gone, unless it has a successor.
func (c *Connector) forget(key digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions[key].Value() == nil {
		delete(c.sessions, key)
	}
}

func digestOf(identity ec2.Identity) digest {
	text, err := json.Marshal(identity)
	if err != nil { // It consists of strings and booleans.
		panic(fmt.Sprintf("sdk: an identity that cannot be encoded: %v", err))
	}
	return sha256.Sum256(text)
}
