// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"time"
)

// State is the state of an instance, in the words of the EC2 API.
type State string

// States of an instance.
const (
	Pending      State = "pending"
	Running      State = "running"
	ShuttingDown State = "shutting-down"
	Terminated   State = "terminated"
	Stopping     State = "stopping"
	Stopped      State = "stopped"
)

// Instance is what is known of an instance. Whoever gets one must not change what
// it refers to.
type Instance struct {
	ID    string
	State State
	// ZoneID is the id of its Availability Zone, such as euw1-az1, which is the same
	// in all accounts; Zone is the name, which is not.
	ZoneID, Zone string
	Tags         map[string]string
	// Interfaces that are attached and in use, by device index, then id.
	Interfaces []Interface

	// Group is the Auto Scaling group that it is in; empty: none. Lifecycle is its
	// state there, such as InService; empty if that is not known or not asked for.
	Group, Lifecycle string
	// LifecycleUnknown is true of an instance that is new, in a Group whose states are
	// observed, as long as its Lifecycle has not been asked for: until an answer had
	// it or there is no permission, or three in a row had not or failed.
	LifecycleUnknown bool
	// Impaired is true if a status check says so. StatusUnknown is true if statuses
	// are observed, as long as the first attempt to list those of the source goes on.
	Impaired, StatusUnknown bool
	// Events that AWS has scheduled, by time.
	Events []Event
	// Interrupted is when AWS warned last that it is going to reclaim the instance;
	// zero if it has not.
	Interrupted time.Time

	// What filters go by besides.
	VPCID, SubnetID, Type, ImageID, KeyName, Architecture, Tenancy, OwnerID string
	// SpotOrScheduled is the instance-lifecycle of the EC2 API: spot, scheduled,
	// capacity-block, or empty.
	SpotOrScheduled                  string
	ProfileARN, PlacementGroup       string
	PrivateDNSName, PublicDNSName    string
	PrivateIP, PublicIP              netip.Addr
	SecurityGroupIDs, SecurityGroups []string // ids and names
}

// Interface is a network interface of an instance.
type Interface struct {
	ID          string
	DeviceIndex int
	SubnetID    string
	// Tags are nil unless somebody selects interfaces by them.
	Tags map[string]string
	// IPv4 has the primary address first.
	IPv4 []IPv4
	// IPv6 has the primary address first, if one is marked, and is sorted else.
	IPv6 []netip.Addr
}

// IPv4 is a private address, with the public one that is associated with it.
type IPv4 struct {
	Private netip.Addr
	Public  netip.Addr // zero: none
}

// Event is something that AWS is going to do to an instance.
type Event struct {
	// Code is such as instance-retirement.
	Code string
	// NotBefore is when at the earliest.
	NotBefore time.Time
}
