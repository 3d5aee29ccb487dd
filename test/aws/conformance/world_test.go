// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"testing"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/test/aws/sigv4"
)

const (
	home      = "123456789012"
	elsewhere = "444455556666"
	region    = "eu-west-1"
	zone      = "eu-west-1b"
	external  = "an-external-id"
	group     = "workers"
)

// network has the addresses of the instances whose addresses are said.
const (
	network4 = "10.9.0.0/16"
	network6 = "2001:db8:9::/64"
)

// world is an AWS, with a user in the account home. A method that fails ends the
// test.
type world interface {
	name() string
	url() string
	// user is the key of a user who may do everything, restricted of one who may do
	// nothing.
	user() sigv4.Key
	restricted() sigv4.Key
	// role is a role in an account that the user may assume.
	role(account string) ec2.Role
	// launch starts an instance in home and returns its id at once.
	launch() string
	// fleet is what there is in a region of an account.
	fleet(account, region string) fleet
}

// fleet is what there is in a region of an account.
type fleet interface {
	// run starts instances in one reservation and returns their ids once they run.
	run(count int, spec spec) []string
	stop(id string)
	start(id string)
	terminate(id string)
	tag(id, key, value string)
	untag(id, key string)
	// attach adds a network interface and returns its id, publish associates a public
	// address with its primary one, and primary is the id of the first one.
	attach(id string, index int, eni eni) string
	publish(eni string) string
	primary(id string) string
	// join puts an instance into the group, standby takes it out of service there,
	// and resume puts it back.
	join(id string)
	standby(id string)
	resume(id string)
	// queue makes a queue and returns its URL; left is how many messages it has.
	queue(name string) string
	send(url, body string)
	left(url string) int
}

type spec struct {
	address string // in network4
	tags    map[string]string
}

type eni struct {
	ipv4, ipv6 []string
	tags       map[string]string
}

// worlds run a test in each world.
func worlds(t *testing.T, test func(t *testing.T, w world)) {
	t.Helper()
	for name, make := range map[string]func(*testing.T) world{"fake": newFake, "moto": newMoto} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}
