// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"net/netip"

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
		// Those that will be carried out: without any in the spec, the ones before.
		checks := r.known.checks(p.subscriber(), p.checksByEntry())
		for i := range p.backend.Entries {
			entry := &p.backend.Entries[i]
			found, problems := r.Literals(entry.Name, entry.Literals)
			for _, err := range problems {
				p.reject(entry.Name, err, v1alpha1.ReasonInvalidSpec)
			}
			for _, t := range found {
				if p.vet(w.scope, t, entry, checks) {
					p.admit(t, entry)
				}
			}
		}
		p.limit(w.scope.MaxAddresses())
	}
}

func (p *pass) reject(entry string, err error, reason string) {
	p.rejected = append(p.rejected, status.Rejection{Entry: entry, Err: err, Reason: reason})
}

// vet says whether an address may be targeted: on the ports that it is to have or
// keeps, and in the way it is to be checked. One whose denial is staged is spared
// if that changes nothing of how it is published.
func (p *pass) vet(scope *guard.Scope, t target.Target, entry *translate.Entry, checks entryChecks) bool {
	set, kept := p.kept[t.Addr]
	if !kept {
		set = entry.Ports
	}
	err := scope.Target(t.Addr, portNumbers(p.backend.PortSets[set]))
	if err == nil || isStaged(err) {
		if checkErr := mayCheck(scope, t.Addr, checks, entry.Name); checkErr != nil {
			err = checkErr
		}
	}
	switch {
	case err == nil:
		return true
	case isStaged(err) && p.freeze(t.Addr, set, entry.State):
		p.pending = append(p.pending, status.Rejection{Entry: entry.Name, Err: err, Reason: v1alpha1.ReasonAddressDenied})
		return true
	}
	p.refuse(t, err, denialReason(err))
	return false
}

// refuse leaves an address out, and takes it out at once where it is published.
func (p *pass) refuse(t target.Target, err error, reason string) {
	p.reject(t.Entry, err, reason)
	if p.refused == nil {
		p.refused = make(map[netip.Addr]bool)
	}
	p.refused[t.Addr] = true
}

// mayCheck says whether a target may be checked as it is to be. What is not known
// yet asks for nothing.
func mayCheck(scope *guard.Scope, addr netip.Addr, checks entryChecks, entry string) error {
	if checks == nil {
		return nil
	}
	list := checks.of(entry)
	if len(list) == 0 {
		return scope.Check(guard.CheckUse{Addr: addr, Kind: string(v1alpha1.CheckKindNone)})
	}
	for _, check := range list {
		if err := scope.Check(useOf(check, addr)); err != nil {
			return err
		}
	}
	return nil
}

// useOf says what a check asks of the guard.
func useOf(check *health.Check, addr netip.Addr) guard.CheckUse {
	use := guard.CheckUse{Addr: addr, Port: check.Port, Kind: check.Kind.String()}
	if check.HTTP != nil {
		use.CustomHost, use.Secret = check.HTTP.Host != "", check.HasCredentials()
		use.Body = check.HTTP.Body != nil
	}
	if check.TLS != nil {
		use.CustomHost = use.CustomHost || check.TLS.ServerName != ""
		use.InsecureSkipVerify = check.TLS.InsecureSkipVerify
	}
	return use
}

func denialReason(err error) string {
	denied, ok := errors.AsType[*guard.DeniedError](err)
	switch {
	case ok && denied.Layer == guard.LayerPolicy:
		return v1alpha1.ReasonPolicyDenied
	case ok && denied.Layer == guard.LayerNoPolicy:
		return v1alpha1.ReasonNoPolicy
	}
	return v1alpha1.ReasonAddressDenied
}

// freeze keeps an address as it is published on the Service, if it is to have the
// ports that it has, and is not on its way out unless it is meant to be.
func (p *pass) freeze(addr netip.Addr, ports int, state v1alpha1.TargetState) bool {
	if p.byAddress == nil {
		p.byAddress = make(map[string]*sliceplan.Published, len(p.here))
		for i := range p.here {
			if e := &p.here[i]; p.byAddress[e.Address] == nil {
				p.byAddress[e.Address] = e
			}
		}
	}
	was := p.byAddress[addr.String()]
	if was == nil || !equality.Semantic.DeepEqual(was.Ports, p.backend.PortSets[ports]) ||
		conditionsOf(was.Conditions).Terminating && state != v1alpha1.TargetDrain {
		return false
	}
	if p.frozen == nil {
		p.frozen = make(map[netip.Addr]*sliceplan.Published)
	}
	p.frozen[addr] = was
	return true
}

// conditionsOf reads conditions as consumers do.
func conditionsOf(c discoveryv1.EndpointConditions) sliceplan.Conditions {
	ready := ptr.Deref(c.Ready, true)
	return sliceplan.Conditions{Ready: ready, Serving: ptr.Deref(c.Serving, ready), Terminating: ptr.Deref(c.Terminating, false)}
}

// limit leaves out what comes after the first addresses, if there is a limit.
func (p *pass) limit(most int) {
	if most == 0 || len(p.candidates) <= most {
		return
	}
	for _, t := range p.candidates[most:] {
		p.refuse(t, fmt.Errorf("%s is one more than the %d addresses that the ExternalBackendPolicies of the namespace allow an ExternalBackend", t.Addr, most),
			v1alpha1.ReasonLimitExceeded)
	}
	p.candidates = p.candidates[:most]
}

// denies says whether an address goes at once that is published on these ports.
func (p *pass) denies(scope *guard.Scope, addr netip.Addr, ports []discoveryv1.EndpointPort) bool {
	err := scope.Target(addr, portNumbers(ports))
	return p.refused[addr] || err != nil && !isStaged(err)
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
	case !p.hasFamily(t.Addr):
		p.excluded = append(p.excluded, t)
	case entry.State == v1alpha1.TargetDrain:
		// What of it is published drains, the rest is not wanted.
	case p.backend.Publishable && !p.backend.Portless && len(p.backend.PortSets[entry.Ports]) == 0:
		if p.portless == nil {
			p.portless = make(map[string]bool)
		}
		p.portless[t.Entry] = true // unlike others
	default:
		p.candidates = append(p.candidates, t)
	}
}
