// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// discover finds the addresses of every entry and keeps those that may be
// targeted and that the Service can have.
func (r *ServiceReconciler) discover(w *world, passes []*pass) {
	for _, p := range passes {
		r.ensureListed(w, p)
		for i := range p.backend.Entries {
			entry := &p.backend.Entries[i]
			for _, t := range r.addressesOf(w, p, entry) {
				if p.vet(w.scope, t, entry) {
					p.admit(t, entry)
				} else {
					p.refuseName(entry) // which leads there
				}
			}
		}
		r.releaseFormer(w, p)
		r.ensureAsked(w, p)
		p.limit(w.scope.MaxAddresses())
	}
}

// addressesOf returns the addresses of an entry that are known.
func (r *ServiceReconciler) addressesOf(w *world, p *pass, entry *translate.Entry) []target.Target {
	switch {
	case entry.Invalid != nil:
		p.reject(entry.Name, entry.Invalid, v1alpha1.ReasonInvalidSpec)
		return nil
	case entry.FQDN != nil:
		return r.named(w, p, entry)
	case entry.EC2 != nil:
		return r.instances(w, p, entry)
	}
	found, problems := r.Literals(entry.Name, entry.Literals)
	for _, t := range found {
		delete(p.former, t)
	}
	for _, err := range problems {
		p.reject(entry.Name, err, v1alpha1.ReasonInvalidSpec)
	}
	return found
}

func (p *pass) reject(entry string, err error, reason string) {
	p.rejected = append(p.rejected, status.Rejection{Entry: entry, Err: err, Reason: reason})
}

// vet says whether an address may be targeted: on the ports that it is to have or
// keeps, and in the way it is to be checked. One whose denial is staged is spared
// if that changes nothing of how it is published.
func (p *pass) vet(scope *guard.Scope, t target.Target, entry *translate.Entry) bool {
	set := p.portSetOf(t)
	err := scope.Target(t.Addr, portNumbers(p.backend.PortSets[set]))
	if (err == nil || isStaged(err)) && p.checks != nil {
		if checkErr := mayCheck(scope, t.Addr, p.checksOf(t)); checkErr != nil {
			err = checkErr
		}
	}
	switch {
	case err == nil:
		return true
	case isStaged(err) && (p.isNamed(entry) || p.freeze(t, set, entry.State)):
		p.pending = append(p.pending, status.Rejection{Entry: entry.Name, Err: err, Reason: v1alpha1.ReasonAddressDenied})
		if denied, ok := errors.AsType[*guard.DeniedError](err); ok && denied.Since.After(p.pendingSince) {
			p.pendingSince = denied.Since
		}
		return true
	}
	p.refuse(t, err, denialReason(err))
	return false
}

// refuse leaves an address out, and takes it out at once where it is published.
func (p *pass) refuse(t target.Target, err error, reason string) {
	p.reject(t.Entry, err, reason)
	p.markRefused(t.Addr)
}

func (p *pass) markRefused(addr netip.Addr) {
	if p.refused == nil {
		p.refused = make(map[netip.Addr]bool)
	}
	p.refused[addr] = true
}

// mayCheck says whether a target may be checked as it is to be.
func mayCheck(scope *guard.Scope, addr netip.Addr, checks []*health.Check) error {
	if len(checks) == 0 {
		return scope.Check(guard.CheckUse{Addr: addr, Kind: string(v1alpha1.CheckKindNone)})
	}
	var staged error
	for _, check := range checks {
		switch err := scope.Check(useOf(check, addr)); {
		case isStaged(err):
			staged = err // what is denied of the others weighs more
		case err != nil:
			return err
		}
	}
	return staged
}

// useOf says what a check asks of the guard.
func useOf(check *health.Check, addr netip.Addr) guard.CheckUse {
	return guard.CheckUse{
		Addr: addr, Port: check.Port, Kind: check.Kind.String(),
		CustomHost: check.HasCustomHost(), Secret: check.HasCredentials(),
		Body:               check.HTTP != nil && check.HTTP.Body != nil,
		InsecureSkipVerify: check.TLS != nil && check.TLS.InsecureSkipVerify,
	}
}

func denialReason(err error) string {
	denied, ok := errors.AsType[*guard.DeniedError](err)
	switch {
	case ok && denied.Layer == guard.LayerPolicy:
		return v1alpha1.ReasonPolicyDenied
	case ok && denied.Layer == guard.LayerNoPolicy:
		return v1alpha1.ReasonNoPolicy
	case ok && denied.Hostname != "":
		return v1alpha1.ReasonNameDenied
	}
	return v1alpha1.ReasonAddressDenied
}

// freeze keeps an address as it is published on the Service, if it is to have the
// ports that it has, and is not on its way out unless it is meant to be.
func (p *pass) freeze(t target.Target, ports int, state v1alpha1.TargetState) bool {
	was := p.publishedAt(t.Addr)
	if was == nil || !p.isSameInstance(t, was) || !equality.Semantic.DeepEqual(was.Ports, p.backend.PortSets[ports]) ||
		conditionsOf(was.Conditions).Terminating && state != v1alpha1.TargetDrain {
		return false
	}
	if p.frozen == nil {
		p.frozen = make(map[netip.Addr]*sliceplan.Published)
	}
	p.frozen[t.Addr] = was
	return true
}

// publishedAt returns how an address is published; nil if it is not.
func (p *pass) publishedAt(addr netip.Addr) *sliceplan.Published {
	if p.byAddress == nil {
		p.byAddress = make(map[string]*sliceplan.Published, len(p.here))
		for i := range p.here {
			if e := &p.here[i]; p.byAddress[e.Address] == nil {
				p.byAddress[e.Address] = e
			}
		}
	}
	return p.byAddress[addr.String()]
}

// conditionsOf reads conditions as consumers do.
func conditionsOf(c discoveryv1.EndpointConditions) sliceplan.Conditions {
	ready := ptr.Deref(c.Ready, true)
	return sliceplan.Conditions{Ready: ready, Serving: ptr.Deref(c.Serving, ready), Terminating: ptr.Deref(c.Terminating, false)}
}

// maxAddresses is how many an ExternalBackend has at most: as many as the API lets
// it list, those of names among them.
const maxAddresses = 5000

// limit leaves out addresses that are more than an ExternalBackend may have, or than
// the policies allow. Those that are listed come first, and of the others what is
// published, so that a name with more and more addresses, or a fleet that grows, takes
// no place of another.
func (p *pass) limit(allowed int) {
	p.leaveOut(maxAddresses, func(t target.Target) {
		if name, ok := p.sources[t.Entry]; ok {
			name.Dropped++
			p.sources[t.Entry] = name
		}
	})
	if allowed > 0 {
		p.leaveOut(allowed, func(t target.Target) {
			p.refuse(t, fmt.Errorf("%s is one more than the %d addresses that the ExternalBackendPolicies of the namespace allow an ExternalBackend", t.Addr, allowed),
				v1alpha1.ReasonLimitExceeded)
		})
	}
}

// leaveOut tells of each candidate that is not among the most important addresses,
// and drops it. One that several entries have is one.
func (p *pass) leaveOut(most int, tell func(target.Target)) {
	if len(p.candidates) <= most {
		return
	}
	fits := make(map[netip.Addr]bool, most)
	for _, due := range []func(target.Target) bool{
		func(t target.Target) bool { return p.entries[t.Entry].IsListed() },
		func(t target.Target) bool { return p.publishedAt(t.Addr) != nil },
		func(target.Target) bool { return true },
	} {
		for _, t := range p.candidates {
			if len(fits) < most && due(t) {
				fits[t.Addr] = true
			}
		}
	}
	p.candidates = slices.DeleteFunc(p.candidates, func(t target.Target) bool {
		if !fits[t.Addr] {
			tell(t)
		}
		return !fits[t.Addr]
	})
}

// denies says whether an address goes at once that is published on these ports.
func (p *pass) denies(scope *guard.Scope, addr netip.Addr, ports []discoveryv1.EndpointPort) bool {
	return p.refused[addr] && !p.serves(addr) || isDenied(scope, addr, portNumbers(ports))
}

// isDenied says whether an address must not be published on these ports.
func isDenied(scope *guard.Scope, addr netip.Addr, ports []uint16) bool {
	err := scope.Target(addr, ports)
	return err != nil && !isStaged(err)
}

// isDeniedText is isDenied for an address as slices have it, which may be a name.
func isDeniedText(scope *guard.Scope, address string, ports []uint16) bool {
	if addr, err := netip.ParseAddr(address); err == nil {
		return isDenied(scope, addr, ports)
	}
	return scope.Hostname(address) != nil
}

// deniedIn tells the endpoints of a slice that must not be there.
func deniedIn(scope *guard.Scope, slice *discoveryv1.EndpointSlice) func(discoveryv1.Endpoint) bool {
	ports := portNumbers(slice.Ports)
	return func(e discoveryv1.Endpoint) bool {
		return slices.ContainsFunc(e.Addresses, func(address string) bool { return isDeniedText(scope, address, ports) })
	}
}

func portNumbers(ports []discoveryv1.EndpointPort) []uint16 {
	numbers := make([]uint16, 0, len(ports))
	for _, port := range ports {
		if port.Port != nil {
			numbers = append(numbers, uint16(*port.Port))
		}
	}
	return numbers
}

func (p *pass) admit(t target.Target, entry *translate.Entry) {
	switch {
	case !p.hasFamily(t.Addr) && entry == p.backend.Passthrough():
		// Only the guard cares what else consumers of the name find.
	case !p.hasFamily(t.Addr):
		p.excluded = append(p.excluded, t)
	case entry.State == v1alpha1.TargetDrain && !p.isNamed(entry):
		// What of it is published drains, the rest is not wanted.
		if !entry.IsListed() {
			if p.byState == nil {
				p.byState = make(map[target.Target]bool)
			}
			p.byState[t] = true
		}
	case p.backend.Publishable && !p.backend.Portless && len(p.backend.PortSets[p.portSetOf(t)]) == 0:
		if p.portless == nil {
			p.portless = make(map[string]bool)
		}
		p.portless[t.Entry] = true // unlike others
	default:
		p.candidates = append(p.candidates, t)
	}
}
