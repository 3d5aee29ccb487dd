// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"slices"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// ensureListed has everything listed that the pass wants to know of instances, and
// nothing else.
func (r *ServiceReconciler) ensureListed(w *world, p *pass) {
	p.snapshots, p.warned = make(map[string]*ec2.Snapshot), r.warned(p)
	var queries []ec2.Query
	for i := range p.backend.Entries {
		entry := &p.backend.Entries[i]
		if entry.EC2 == nil || entry.Invalid != nil {
			continue
		}
		f := &fleet{r: r, w: w, p: p, entry: entry}
		if usable, err := f.permitted(); !usable || err != nil {
			continue
		}
		queries = append(queries, ec2.Query{
			Name: entry.Name, Source: sourceOf(entry), Selector: selectorOf(entry.EC2), InterfaceTag: entry.EC2.TagKey, Known: p.knownInstances(entry),
		})
	}
	queries = append(queries, p.formerQueries(w)...)
	if len(queries) > 0 || p.lineageBefore.fleets() {
		r.Instances.Ensure(p.subscriber(), queries)
	}
}

// formerQueries are about the instances that are published for entries which have
// been removed, or now have their addresses from elsewhere.
func (p *pass) formerQueries(w *world) []ec2.Query {
	ids := make(map[ec2.Source][]string)
	for i := range p.published {
		e := &p.published[i]
		if source := p.formerSource(e); source != (ec2.Source{}) && !w.isEarly() {
			ids[source] = append(ids[source], p.instanceIn(e))
		}
	}
	var queries []ec2.Query
	for source, list := range ids {
		if usable, err := w.permits(source); !usable || err != nil {
			continue
		}
		slices.Sort(list)
		list = slices.Compact(list)
		queries = append(queries, ec2.Query{Name: formerQuery(source), Source: source, Selector: ec2.Selector{IDs: list}, Known: list})
	}
	return queries
}

// formerQuery is the name of a query that is none of an entry.
func formerQuery(source ec2.Source) string { return source.Region + "/" + source.Identity }

// formerSource is where an instance was found that is published for what its entry is
// not any more; zero if it is not such a one.
func (p *pass) formerSource(e *sliceplan.Published) ec2.Source {
	addr, err := netip.ParseAddr(e.Address)
	if err != nil || p.instanceIn(e) == "" {
		return ec2.Source{}
	}
	return p.former[target.Target{Addr: addr, Entry: e.Entry}].source
}

// releaseFormer takes addresses out at once that drain and that are lost.
func (r *ServiceReconciler) releaseFormer(w *world, p *pass) {
	for i := range p.published {
		if addr, err := netip.ParseAddr(p.published[i].Address); err == nil && r.isLost(w, p, &p.published[i]) {
			p.markRefused(addr)
		}
	}
}

// isLost says whether an address that is published for what its entry is not any more
// is known not to be that of its instance, or that of one which must not be targeted.
func (r *ServiceReconciler) isLost(w *world, p *pass, e *sliceplan.Published) bool {
	source, id := p.formerSource(e), p.instanceIn(e)
	if source == (ec2.Source{}) {
		return false
	}
	snapshot := r.Instances.Lookup(p.subscriber(), formerQuery(source))
	p.snapshots[formerQuery(source)] = snapshot
	if snapshot == nil || snapshot.Listed.IsZero() {
		return false
	}
	known := slices.Concat(snapshot.Matching, snapshot.Others)
	if n := slices.IndexFunc(known, func(i *ec2.Instance) bool { return i.ID == id }); n >= 0 {
		addr, err := netip.ParseAddr(e.Address)
		return err == nil && !known[n].Holds(addr) || w.scope.Instance(w.key.Namespace, source.Identity, source.Region, known[n].Tags) != nil
	}
	_, missing := slices.BinarySearch(snapshot.Missing, id)
	return !missing
}

// fleets says whether some addresses are, or may be, those of instances.
func (l *lineage) fleets() bool {
	for _, from := range l.origins {
		if from.source != (ec2.Source{}) {
			return true
		}
	}
	for _, from := range l.former {
		if from.source != (ec2.Source{}) {
			return true
		}
	}
	return false
}

func sourceOf(e *translate.Entry) ec2.Source {
	return ec2.Source{Identity: e.EC2.Identity, Region: e.EC2.Region}
}

func selectorOf(e *translate.EC2) ec2.Selector {
	selector := ec2.Selector{IDs: e.IDs, Filters: make([]ec2.Filter, len(e.Filters))}
	for i, filter := range e.Filters {
		selector.Filters[i] = ec2.Filter{Name: filter.Name, Values: filter.Values}
	}
	return selector
}

// knownInstances are those that are published of an entry, sorted.
func (p *pass) knownInstances(entry *translate.Entry) []string {
	var ids []string
	for _, e := range p.publishedOf(entry.Name) {
		if id := p.instanceIn(e); id != "" && !p.isReplaced(e) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// instancesHold says whether the same is known of instances as when the pass asked.
func (r *ServiceReconciler) instancesHold(p *pass) bool {
	for name, snapshot := range p.snapshots {
		if r.Instances.Lookup(p.subscriber(), name) != snapshot {
			return false
		}
	}
	return true
}

// permitted says whether AWS may be asked for the instances of an entry, on behalf
// of its namespace, and with which credentials. The error says why it must not be;
// without one, it is only not known.
func (f *fleet) permitted() (bool, error) {
	if f.w.isEarly() {
		return false, nil
	}
	return f.w.permits(sourceOf(f.entry))
}

// isEarly says whether it is not known yet which instances may be asked for.
func (w *world) isEarly() bool {
	return w.topology == nil || w.identities == nil || w.identities.Readable && !w.identities.Knows(w.key.Namespace)
}

// permits says of a source what permitted does of an entry, if that is not early.
func (w *world) permits(source ec2.Source) (bool, error) {
	if err := w.scope.Region(source.Identity, source.Region); err != nil {
		return false, err
	}
	identity, known := w.identities.Of(source.Identity)
	switch {
	case !known:
		return false, nil
	case !identity.Allows(w.key.Namespace):
		return false, &identityError{fmt.Sprintf("AWSIdentity %q does not allow this namespace: have an administrator add it to spec.allowedNamespaces, or use another one", source.Identity)}
	case !identity.Lists(source.Region):
		return false, &identityError{fmt.Sprintf("AWSIdentity %q is not for region %s: have an administrator add that to spec.regions, or correct the region", source.Identity, source.Region)}
	}
	return identity.Invalid == nil, nil
}

// identityError is that an AWSIdentity must not be used.
type identityError struct{ why string }

func (e *identityError) Error() string { return e.why }

// refuse takes out at once what is published of the entry.
func (f *fleet) refuse(err error) {
	reason := denialReason(err)
	if _, ok := err.(*identityError); ok { //nolint:errorlint // permitted returns it as it is
		reason = v1alpha1.ReasonIdentityNotAllowed
	}
	f.p.reject(f.entry.Name, err, reason)
	for _, e := range f.p.publishedOf(f.entry.Name) {
		f.release(e)
	}
	f.p.setSource(f.entry.Name, status.Source{Subject: f.subject(), Answered: true})
}
