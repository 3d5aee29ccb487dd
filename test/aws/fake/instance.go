// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Instance is an EC2 instance. What is left out is made up.
type Instance struct {
	ID string
	// State is what the life cycle made of it: pending, running, shutting-down,
	// terminated, stopping or stopped.
	State string
	Tags  map[string]string
	// PrivateIP, PublicIP and IPv6 are short for Interfaces with one that has them.
	PrivateIP, PublicIP, IPv6 string
	Interfaces                []Interface

	// Zone, such as eu-west-1a, and its id, such as euw1-az1.
	Zone, ZoneID                           string
	VPCID, SubnetID                        string
	Type, ImageID, KeyName, Architecture   string
	Tenancy, SpotOrScheduled, ProfileARN   string
	PlacementGroup                         string
	PrivateDNSName, PublicDNSName, OwnerID string
	SecurityGroups                         []SecurityGroup

	// Group is its Auto Scaling group, and Lifecycle its state there, such as
	// InService.
	Group, Lifecycle string
	// InstanceStatus and SystemStatus are ok, impaired, insufficient-data or
	// initializing. Left out, they are ok.
	InstanceStatus, SystemStatus string
	Events                       []Event

	reservation string
	launched    time.Time
}

// Interface is a network interface. An instance that is terminated has none.
type Interface struct {
	ID          string
	DeviceIndex int
	SubnetID    string
	Tags        map[string]string
	// Addresses are the private IPv4 addresses; the first is the primary one.
	Addresses []Address
	// IPv6 addresses; PrimaryIPv6 marks the first as the primary one.
	IPv6        []string
	PrimaryIPv6 bool
	// Status and Attachment are in-use and attached, if they are left out.
	Status, Attachment string
}

// Address is a private IPv4 address with the public one that is associated with it.
type Address struct {
	Private, Public string
	// Elastic addresses stay when the instance stops.
	Elastic bool
}

// SecurityGroup is a security group.
type SecurityGroup struct{ ID, Name string }

// Event is something that is going to be done to an instance.
type Event struct {
	Code, Description string
	NotBefore         time.Time
}

// Launch starts an instance, which is pending, and returns its id.
func (r *Region) Launch(spec Instance) string { return r.LaunchAll(spec)[0] }

// Run starts an instance, which is running, and returns its id.
func (r *Region) Run(spec Instance) string {
	id := r.Launch(spec)
	r.Settle(id)
	return id
}

// LaunchAll starts instances in one reservation and returns their ids.
func (r *Region) LaunchAll(specs ...Instance) []string {
	s := r.account.server
	s.mu.Lock()
	defer s.mu.Unlock()
	reservation := fmt.Sprintf("r-%017x", s.next())
	var ids []string
	for _, spec := range specs {
		i := spec.clone()
		i.State, i.reservation, i.launched = "pending", reservation, time.Now()
		r.complete(i)
		if r.instances[i.ID] != nil {
			panic("fake: there is an instance " + i.ID + " already")
		}
		r.instances[i.ID] = i
		ids = append(ids, i.ID)
	}
	return ids
}

// complete makes up what a spec leaves out.
func (r *Region) complete(i *Instance) {
	number := r.account.server.next()
	or := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	or(&i.ID, fmt.Sprintf("i-%017x", number))
	or(&i.Zone, r.name+"a")
	or(&i.ZoneID, zoneID(i.Zone))
	or(&i.VPCID, "vpc-00000000000000001")
	or(&i.SubnetID, "subnet-00000000000000001")
	or(&i.Type, "t3.micro")
	or(&i.ImageID, "ami-00000000000000001")
	or(&i.Architecture, "x86_64")
	or(&i.Tenancy, "default")
	or(&i.OwnerID, r.account.id)
	or(&i.InstanceStatus, "ok")
	or(&i.SystemStatus, "ok")
	if i.Group != "" {
		or(&i.Lifecycle, "InService")
	}
	if len(i.Interfaces) == 0 {
		or(&i.PrivateIP, fmt.Sprintf("10.%d.%d.%d", number>>16&0xff, number>>8&0xff, number&0xff))
		eni := Interface{Addresses: []Address{{Private: i.PrivateIP, Public: i.PublicIP}}}
		if i.IPv6 != "" {
			eni.IPv6 = []string{i.IPv6}
		}
		i.Interfaces = []Interface{eni}
	}
	i.PrivateIP, i.PublicIP, i.IPv6 = "", "", ""
	for n := range i.Interfaces {
		eni := &i.Interfaces[n]
		or(&eni.ID, fmt.Sprintf("eni-%017x", r.account.server.next()))
		or(&eni.SubnetID, i.SubnetID)
		or(&eni.Status, "in-use")
		or(&eni.Attachment, "attached")
		for _, a := range eni.Addresses {
			netip.MustParseAddr(a.Private)
		}
	}
}

// zoneID makes an id up from a name, such as euw1-az1 from eu-west-1a.
func zoneID(zone string) string {
	var short []byte
	start := true
	for n := range len(zone) - 1 {
		c := zone[n]
		if start || c >= '0' && c <= '9' {
			short = append(short, c)
		} else if n == 1 { // the second letter of the continent
			short = append(short, c)
		}
		start = c == '-'
	}
	return fmt.Sprintf("%s-az%d", short, zone[len(zone)-1]-'a'+1)
}

// Update changes an instance in any way.
func (r *Region) Update(id string, change func(i *Instance)) {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	change(r.must(id))
}

// Tag sets a tag of an instance.
func (r *Region) Tag(id, key, value string) {
	r.Update(id, func(i *Instance) {
		if i.Tags == nil {
			i.Tags = map[string]string{}
		}
		i.Tags[key] = value
	})
}

// Untag removes a tag of an instance.
func (r *Region) Untag(id, key string) {
	r.Update(id, func(i *Instance) { delete(i.Tags, key) })
}

// Stop has a running instance stopping.
func (r *Region) Stop(id string) { r.move(id, "stopping", "running") }

// Start has a stopped instance pending.
func (r *Region) Start(id string) { r.move(id, "pending", "stopped") }

// Terminate has an instance shutting down.
func (r *Region) Terminate(id string) {
	r.move(id, "shutting-down", "pending", "running", "stopping", "stopped")
}

func (r *Region) move(id, to string, from ...string) {
	r.Update(id, func(i *Instance) {
		if !slices.Contains(from, i.State) {
			panic("fake: " + id + " is " + i.State + " and cannot get " + to)
		}
		i.State = to
	})
}

// Settle ends what these instances are in the middle of, or all without ids:
// pending ones run, stopping ones are stopped, and those that shut down terminated.
func (r *Region) Settle(ids ...string) {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	if len(ids) == 0 {
		ids = slices.Collect(maps.Keys(r.instances))
	}
	for _, id := range ids {
		i := r.must(id)
		switch i.State {
		case "pending":
			i.State = "running"
		case "stopping":
			i.State = "stopped"
			i.release()
		case "shutting-down":
			i.State, i.Interfaces, i.Group, i.Lifecycle = "terminated", nil, "", ""
		}
	}
}

// release gives back the public addresses that end with the instance's run.
func (i *Instance) release() {
	for _, eni := range i.Interfaces {
		for n := range eni.Addresses {
			if !eni.Addresses[n].Elastic {
				eni.Addresses[n].Public = ""
			}
		}
	}
}

// Purge has instances forgotten, as AWS does with terminated ones within the hour.
func (r *Region) Purge(ids ...string) {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	for _, id := range ids {
		r.must(id)
		delete(r.instances, id)
	}
}

// IDs returns the ids of all instances, sorted.
func (r *Region) IDs() []string {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	return slices.Sorted(maps.Keys(r.instances))
}

// Instance returns a copy of what there is of an instance.
func (r *Region) Instance(id string) Instance {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	return *r.must(id).clone()
}

func (r *Region) must(id string) *Instance {
	i := r.instances[id]
	if i == nil {
		panic("fake: there is no instance " + id + " in " + r.name)
	}
	return i
}

func (i *Instance) clone() *Instance {
	c := *i
	c.Tags = maps.Clone(i.Tags)
	c.Interfaces = slices.Clone(i.Interfaces)
	for n := range c.Interfaces {
		eni := &c.Interfaces[n]
		eni.Tags, eni.IPv6 = maps.Clone(eni.Tags), slices.Clone(eni.IPv6)
		eni.Addresses = slices.Clone(eni.Addresses)
	}
	c.SecurityGroups, c.Events = slices.Clone(i.SecurityGroups), slices.Clone(i.Events)
	return &c
}

// allTags are the instance's tags and those that AWS sets.
func (i *Instance) allTags() map[string]string {
	tags := maps.Clone(i.Tags)
	if i.Group != "" {
		if tags == nil {
			tags = map[string]string{}
		}
		tags["aws:autoscaling:groupName"] = i.Group
	}
	return tags
}

// primary is the interface with device index 0.
func (i *Instance) primary() Interface {
	for _, eni := range i.Interfaces {
		if eni.DeviceIndex == 0 {
			return eni
		}
	}
	return Interface{}
}

// primaryAddress is the first address of the primary interface.
func (i *Instance) primaryAddress() Address {
	if eni := i.primary(); len(eni.Addresses) > 0 {
		return eni.Addresses[0]
	}
	return Address{}
}
