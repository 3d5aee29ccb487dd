// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

const (
	// firstRound bounds how long the scheduler takes to begin all checks of an
	// ExternalBackend that it did not know.
	firstRound = 10 * time.Second
	// awaitInterval is the time between two looks at the first round.
	awaitInterval = 250 * time.Millisecond
)

// awaitFirstChecks holds the first publication of an ExternalBackend until
// every address has had a result, for the time of one round of checks at most.
// So a cold start is one write a slice, and an ExternalBackend that takes
// addresses over from another one knows how they are.
func (r *ServiceReconciler) awaitFirstChecks(w *world, passes []*pass) {
	for _, p := range passes {
		if len(p.published) > 0 || !p.backend.Publishable {
			r.known.endAwait(p.subscriber())
			continue
		}
		if p.checks == nil {
			continue
		}
		now := r.Clock.Now()
		bound := min(p.backend.Timing.Interval, firstRound) + p.backend.Timing.Timeout
		left := bound - now.Sub(r.known.awaitedSince(p.subscriber(), now))
		if left <= 0 {
			continue
		}
		// In the order in which check has them checked.
		own := target.Arbitrate([]target.Claim{{Owner: p.backend.Owner, Targets: p.candidates}})[0].Targets
		for _, s := range r.haveChecked(w.scope, p, own, nil) {
			if s.Verdict == health.Unknown && !s.Fresh && s.Obstacle == "" {
				p.awaiting = true
				w.again(min(left, awaitInterval))
				break
			}
		}
		if !p.awaiting {
			r.known.endAwait(p.subscriber())
		}
	}
}

// check has the targets checked and reads their health: those that are served,
// those that drain, and those that another ExternalBackend serves, so that a
// takeover knows how they are. Where the spec never said what to check, what is
// published stands: no evidence, no change.
func (r *ServiceReconciler) check(scope *guard.Scope, passes []*pass) {
	for _, p := range passes {
		published := p.publication()
		p.inherit(published, passes)
		list := make([]target.Target, 0, len(p.grant.Targets)+len(p.draining)+len(p.grant.Losses))
		list = append(list, p.grant.Targets...)
		for _, d := range p.draining {
			list = append(list, d.Target)
		}
		served := len(list)
		if p.checks == nil {
			p.health = published.statuses(list)
			continue
		}
		lost := make(map[netip.Addr]bool, len(p.grant.Losses))
		for _, loss := range p.grant.Losses {
			if loss.Winner != p.backend.Owner && !lost[loss.Addr] {
				lost[loss.Addr] = true
				list = append(list, loss.Target)
			}
		}
		p.health = r.haveChecked(scope, p, list, published)[:served]
		p.freezeHealth(published)
	}
}

// freezeHealth leaves the health of what is frozen as it is published, even where
// other checks than before, which are not made, would have another.
func (p *pass) freezeHealth(published publication) {
	for i, t := range p.grant.Targets {
		if verdict := published[t.Addr]; p.frozen[t.Addr] != nil {
			p.health[i] = health.Status{Verdict: verdict, Obstacle: health.AddressDenied}
		}
	}
}

// haveChecked has targets checked and returns their health. Here it is decided of
// every target, whatever path it came on, whether it may be checked in just this
// way: what is wanted was refused before if not, and what drains in spite of it
// is not checked and stays as it was, as does what nobody knows the name of.
// Credentials of other checks are not even read.
func (r *ServiceReconciler) haveChecked(scope *guard.Scope, p *pass, list []target.Target, published publication) []health.Status {
	targets := p.targets(list, published)
	statuses, credentials := make([]health.Status, len(targets)), make(map[health.SecretKey]bool)
	granted, places := make([]health.Target, 0, len(targets)), make([]int, 0, len(targets))
	for i, t := range targets {
		if err := mayCheck(scope, t.Addr, t.Checks); err != nil && !isStaged(err) || p.isBlind(list[i]) {
			statuses[i].Verdict = t.Seed
			continue
		}
		granted, places = append(granted, t), append(places, i)
		for _, check := range t.Checks {
			for ref := range check.Credentials() {
				credentials[ref] = true
			}
		}
	}
	r.Credentials.Ensure(p.subscriber(), credentials)
	r.Health.Ensure(p.subscriber(), p.backend.Thresholds, granted)
	for i, status := range r.Health.Statuses(p.subscriber(), make([]health.Status, 0, len(granted))) {
		statuses[places[i]] = status
	}
	return statuses
}

// entryChecks are the checks by entry. Those of "" are for entries that have
// neither ports nor a name of their own, and none has.
type entryChecks map[string][]*health.Check

// checksByEntry returns nil if the checks cannot be carried out.
func (p *pass) checksByEntry() entryChecks {
	if p.backend.Checks == nil {
		return nil
	}
	byEntry := entryChecks{"": p.backend.Checks[0]}
	for name, entry := range p.entries {
		if entry.Ports != 0 || entry.Host() != "" {
			byEntry[name] = p.backend.ChecksOf(entry.Ports, entry.Host())
		}
	}
	return byEntry
}

func (c entryChecks) of(entry string) []*health.Check {
	if list, ok := c[entry]; ok {
		return list
	}
	return c[""]
}

// atLeast returns the checks with no interval shorter than that.
func (c entryChecks) atLeast(least time.Duration) entryChecks {
	longer := make(entryChecks, len(c))
	for entry, list := range c {
		longer[entry] = slices.Clone(list)
		for i, check := range list {
			longer[entry][i] = check.AtLeast(least)
		}
	}
	return longer
}

// checksOf returns the checks of a target. Addresses with ports or a name of their
// own are checked on those, and by that.
func (p *pass) checksOf(t target.Target) []*health.Check {
	if set, own := p.ownPorts(t); own && p.backend.Checks != nil {
		return p.backend.ChecksOf(set, p.hostOf(t))
	}
	return p.checks.of(t.Entry)
}

// tellsCode says whether the exact status that a target answers with may be told,
// whichever of its checks asked for it.
func (p *pass) tellsCode(scope *guard.Scope, t target.Target) bool {
	if p.checks == nil {
		return false
	}
	return !slices.ContainsFunc(p.checksOf(t), func(c *health.Check) bool {
		return c.HTTP != nil && !scope.StatusCodes(useOf(c, t.Addr))
	})
}

// targets says what is to be checked.
func (p *pass) targets(list []target.Target, published publication) []health.Target {
	targets := make([]health.Target, len(list))
	for i, t := range list {
		targets[i] = health.Target{Addr: t.Addr, Instance: p.occupantOf(t), Checks: p.checksOf(t), Seed: p.backend.Initial}
		if verdict, ok := published[t.Addr]; ok {
			targets[i].Seed = verdict
		}
	}
	return targets
}

// publication is the health that the slices of an ExternalBackend tell, by
// address. An address that is not there was never published, or as that of another
// instance than has it now.
type publication map[netip.Addr]health.Verdict

func (p *pass) publication() publication {
	published := make(publication, len(p.published))
	for i := range p.published {
		e := &p.published[i]
		addr, err := netip.ParseAddr(e.Address)
		if err != nil {
			continue
		}
		if n, ok := p.grantIndex(addr); ok && !p.isSameInstance(p.grant.Targets[n], e) {
			continue
		}
		if _, again := published[addr]; !again {
			published[addr] = verdictOf(e.Conditions)
		}
	}
	return published
}

// verdictOf reads what was published back. Serving tells the truth even where
// the Service wants unready addresses published as ready (rule 34).
func verdictOf(c discoveryv1.EndpointConditions) health.Verdict {
	serving := c.Serving
	if serving == nil {
		serving = c.Ready
	}
	if serving == nil || *serving {
		return health.Healthy
	}
	return health.Unhealthy
}

// inherit completes what is published with the addresses that another
// ExternalBackend of the Service serves until now on the same ports: what is
// taken over stays as it is until checks say otherwise.
func (p *pass) inherit(published publication, passes []*pass) {
	isNew := func(t target.Target) bool {
		_, known := published[t.Addr]
		return !known
	}
	if !slices.ContainsFunc(p.grant.Targets, isNew) {
		return
	}
	for _, other := range passes {
		for i := range other.published {
			e := &other.published[i]
			addr, err := netip.ParseAddr(e.Address)
			if err != nil {
				continue
			}
			if n, ok := p.grantIndex(addr); ok && isNew(p.grant.Targets[n]) && p.isSameInstance(p.grant.Targets[n], e) &&
				target.PortsOverlap(translate.TargetPorts(e.Ports), translate.TargetPorts(p.portsOf(p.grant.Targets[n]))) {
				published[addr] = verdictOf(e.Conditions)
			}
		}
	}
}

// statuses is the health of targets that cannot be checked: what is published
// as healthy stands, and nothing is known of the others.
func (published publication) statuses(targets []target.Target) []health.Status {
	list := make([]health.Status, len(targets))
	for i, t := range targets {
		if published[t.Addr] == health.Healthy {
			list[i].Verdict = health.Healthy
		}
	}
	return list
}
