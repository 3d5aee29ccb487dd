// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// fleet finds the addresses of the instances of one entry.
type fleet struct {
	r      *ServiceReconciler
	w      *world
	p      *pass
	entry  *translate.Entry
	choice ec2.Choice
	now    time.Time
	// usable is true if AWS may be asked.
	usable bool
	// snapshot is what is known of the instances; nil: nothing.
	snapshot *ec2.Snapshot
	found    []target.Target
	seen     map[netip.Addr]bool
	// accepted are the instances that match and may be targeted, nodes those that may
	// not since they are Nodes, and byID all that something is known of.
	accepted []*ec2.Instance
	nodes    []string
	byID     map[string]*ec2.Instance
	// unserved tells why instances that match get no traffic, by id, and addressless
	// are those that run and have no address of the kind that is asked for.
	unserved    map[string]string
	addressless []string
	pending     bool // some of them are to be waited for
	// served are the instances that are published, and not on their way out, once it
	// is asked which.
	served map[string]bool
}

// instances returns the addresses of the instances that an entry selects, and
// notes what is known of them.
func (r *ServiceReconciler) instances(w *world, p *pass, entry *translate.Entry) []target.Target {
	f := &fleet{
		r: r, w: w, p: p, entry: entry, choice: choiceOf(entry.EC2), now: r.Clock.Now(),
		seen: make(map[netip.Addr]bool), byID: make(map[string]*ec2.Instance), unserved: make(map[string]string),
	}
	var err error
	if f.usable, err = f.permitted(); err != nil {
		f.refuse(err)
		return nil
	}
	if f.usable {
		f.snapshot = r.Instances.Lookup(p.subscriber(), entry.Name)
		p.snapshots[entry.Name] = f.snapshot
	}
	f.find()
	f.inherit()
	f.tell()
	return f.found
}

// listed says whether there was a complete answer.
func (f *fleet) listed() bool { return f.snapshot != nil && !f.snapshot.Listed.IsZero() }

// isMissing says whether the last answers lack an instance, which may be a mistake.
func (f *fleet) isMissing(id string) bool {
	_, missing := slices.BinarySearch(f.snapshot.Missing, id)
	return missing
}

// find finds the addresses of the instances that are to get traffic. What the last
// answers have comes first, so that one that may be gone holds no address of theirs.
func (f *fleet) find() {
	if !f.listed() {
		return
	}
	for _, i := range slices.Concat(f.snapshot.Matching, f.snapshot.Others) {
		f.byID[i.ID] = i
	}
	for _, i := range f.snapshot.Matching {
		if f.accepts(i) {
			f.accepted = append(f.accepted, i)
		}
	}
	for _, last := range []bool{false, true} {
		for _, i := range f.accepted {
			if f.isMissing(i.ID) == last && f.eligible(i) {
				f.add(i, last)
			}
		}
	}
}

// accepts says whether an instance may be targeted. What policy denies is not told:
// that there is such an instance is nothing that the namespace may know.
func (f *fleet) accepts(i *ec2.Instance) bool {
	if f.w.scope.Instance(f.w.key.Namespace, f.entry.EC2.Identity, f.entry.EC2.Region, i.Tags) != nil {
		return false
	}
	if f.w.topology.isNode(i.ID) {
		f.nodes = append(f.nodes, i.ID)
		f.p.reject(f.entry.Name, fmt.Errorf("instance %s is a Node of this cluster, which has Services of its own: select others", i.ID), v1alpha1.ReasonAddressDenied)
		return false
	}
	return true
}

// eligible says whether an instance is to get traffic, and notes why not.
func (f *fleet) eligible(i *ec2.Instance) bool {
	state := string(i.State)
	waits := i.State == ec2.Pending
	switch {
	case i.State != ec2.Running:
	case i.Lifecycle != "" && i.Lifecycle != ec2.InService:
		state = i.Lifecycle + " in its Auto Scaling group"
		waits = ec2.IsPendingInGroup(i.Lifecycle)
	case f.drains(i):
		state = "taken out by drainOn"
	case f.isUndecided(i) && !f.isServed(i.ID):
		state, waits = "AWS was not heard on whether it is to be in service", true
	default:
		return true
	}
	f.unserved[i.ID] = state
	f.pending = f.pending || waits
	return false
}

// isUndecided says whether AWS was not heard yet on what may take an instance out
// that runs. One that is served goes on until then, and no other begins: it may have
// been taken out for that before the operator started.
func (f *fleet) isUndecided(i *ec2.Instance) bool {
	e := f.entry.EC2
	return i.LifecycleUnknown || (e.DrainOnImpaired || e.DrainOnEvent) && i.StatusUnknown
}

// isServed says whether an instance is published, and on its way out only if the state
// of its entry says so, whatever the name of that was.
func (f *fleet) isServed(id string) bool {
	if f.served == nil {
		f.served = make(map[string]bool)
		for i := range f.p.published {
			if e := &f.p.published[i]; !conditionsOf(e.Conditions).Terminating || e.ByState {
				f.served[f.p.instanceIn(e)] = true
			}
		}
	}
	return f.served[id]
}

// drains says whether an instance that runs is to be taken out nevertheless.
func (f *fleet) drains(i *ec2.Instance) bool {
	e := f.entry.EC2
	return e.DrainOnImpaired && i.Impaired || e.DrainOnEvent && len(i.Events) > 0 || e.DrainOnInterruption && (!i.Interrupted.IsZero() || f.isWarned(i.ID))
}

// add adds the addresses of an instance. An address that two instances have, in
// networks that overlap, is that of the first one.
func (f *fleet) add(i *ec2.Instance, missing bool) {
	addresses := f.choice.Addresses(i)
	if len(addresses) == 0 {
		f.addressless = append(f.addressless, i.ID)
	}
	for _, addr := range addresses {
		if f.seen[addr] {
			continue
		}
		f.seen[addr] = true
		f.take(target.Target{Addr: addr, Entry: f.entry.Name}, occupant{id: i.ID, zone: f.zone(addr, i)})
		f.p.setMissing(target.Target{Addr: addr, Entry: f.entry.Name}, missing)
	}
}

func (f *fleet) take(t target.Target, o occupant) {
	f.found = append(f.found, t)
	if f.p.occupants == nil {
		f.p.occupants = make(map[target.Target]occupant)
	}
	f.p.occupants[t] = o
}

// occupant is the instance that has an address.
type occupant struct {
	id   string
	zone string // that Nodes say it is in, or have said; empty: not known
}

// choiceOf says which addresses of its instances an entry uses.
func choiceOf(e *translate.EC2) ec2.Choice {
	choice := ec2.Choice{
		Secondary: e.Secondary,
		Interface: ec2.InterfaceSelector{DeviceIndex: e.DeviceIndex, SubnetID: e.SubnetID, TagKey: e.TagKey, TagValue: e.TagValue},
	}
	switch e.IPv4 {
	case v1alpha1.InstanceIPv4Private:
		choice.IPv4 = ec2.Private
	case v1alpha1.InstanceIPv4Public:
		choice.IPv4 = ec2.Public
	case v1alpha1.InstanceIPv4None:
	}
	if e.IPv6 == v1alpha1.InstanceIPv6Primary {
		choice.IPv6 = ec2.Private
	}
	return choice
}
