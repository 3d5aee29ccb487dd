// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import "net/netip"

// Subscriber identifies an ExternalBackend. One that was deleted and created
// again under the same name is another subscriber.
type Subscriber struct{ Namespace, Name, UID string }

// Target is one address that a subscriber wants to have checked.
type Target struct {
	// Addr is a literal address without a port.
	Addr netip.Addr
	// Instance says what is at the address, such as the id of an EC2 instance. A
	// verdict is never carried over from another one at the same address. Empty if
	// the address is listed or comes from a name.
	Instance string
	// Checks must all pass, each at its own port. They are made by
	// NewCheck and best shared between targets. Without checks the
	// target is Healthy.
	Checks []*Check
	// Seed is the verdict that the target starts with if the subscriber did
	// not have it before: as published (ready: Healthy, else Unhealthy), else
	// Healthy if the configured initial state says so, else Unknown.
	Seed Verdict
}
