// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package translate turns API objects into the values that the rest of the
// core works on, and names what in them cannot be acted on.
package translate

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
)

// Kind is the kind of the objects that this package translates.
const Kind = "ExternalBackend"

// Problem is something in an object that cannot be acted on.
type Problem struct {
	// Reason is a constant of the API package.
	Reason string
	// Message names the culprit and what to do about it.
	Message string
}

// Entry is one entry of spec.targets.
type Entry struct {
	Name     string
	Literals []string
	// FQDN is the name that the addresses come from; nil if they do not.
	FQDN *FQDN
	// EC2 are the instances that the addresses come from; nil if they do not.
	EC2 *EC2
	// Invalid says why the entry cannot be acted on; nil if it can.
	Invalid error
	// State is never empty.
	State v1alpha1.TargetState
	// Tier of its addresses, 0 for the first choice. Those of SRV records have
	// their priority added to it.
	Tier int
	// Zone is empty if it is not known.
	Zone string
	// Ports is the index of its ports in Backend.PortSets. Addresses of SRV records
	// have those of Backend.SRVPorts instead.
	Ports int
}

// Backend is an ExternalBackend as the core sees it.
type Backend struct {
	Owner   target.Owner
	Entries []Entry

	// PortSets are the different ports that entries have, with all defaults
	// filled in. The first one is that of entries without ports of their own.
	PortSets [][]discoveryv1.EndpointPort
	// Portless is true for a headless Service without ports: the only one whose
	// endpoints have none (rule 15).
	Portless bool
	// Publishable is true when endpoints can be written at all: some port, or
	// Portless.
	Publishable bool

	// Checks of each set of ports. Nil, with a SpecProblem or a ServiceProblem,
	// when they cannot be carried out. Those of one set are empty for checks of
	// kind none, and where they would go to a port that the set lacks because it
	// has none at all: its addresses cannot be published.
	Checks     [][]*health.Check
	Thresholds health.Thresholds
	// Timing is that of all checks.
	Timing health.Timing
	// Lengthened is true if checks are made less often than the spec says.
	Lengthened bool
	// Initial verdict of an address that was never seen before.
	Initial health.Verdict
	// Drain is how long an address that is taken out stays terminating.
	Drain time.Duration
	// Tiers says which tiers serve.
	Tiers health.TierPolicy

	// SpecProblem is set when a value of the spec cannot be acted on.
	SpecProblem *Problem
	// ServiceProblem is set when the Service cannot be served, or not on all
	// ports.
	ServiceProblem *Problem
	// ServiceWarning is set when the Service can be served but something of it has
	// not the effect that one would expect.
	ServiceWarning *Problem

	specified []v1alpha1.Check
	namespace string
	// made are the specified checks on whatever port they were made for first.
	made []*health.Check
	// named are the checks that ChecksOf has derived.
	named map[checksKey][]*health.Check
	// setOf finds a set of ports by its text.
	setOf map[string]int
	ports portSource
}

// ServiceName returns the name of the Service that an ExternalBackend serves.
func ServiceName(eb *v1alpha1.ExternalBackend) string {
	if name := eb.Spec.Service.Name; name != "" {
		return name
	}
	return eb.Name
}

// ForService translates an ExternalBackend in the light of its Service, which
// is nil if it does not exist. Checks are made no more often than minInterval says.
// published are the ports that its slices have: they go on being checked while the
// Service has none for it.
func ForService(eb *v1alpha1.ExternalBackend, svc *corev1.Service, minInterval time.Duration, published ...discoveryv1.EndpointPort) Backend {
	b := Backend{
		Owner:   target.Owner{Name: eb.Name, UID: string(eb.UID), Created: eb.CreationTimestamp.Time},
		Entries: entries(eb),
		Initial: health.Unknown,
		Drain:   drainOf(eb),
		Tiers:   tiersOf(eb),

		namespace: eb.Namespace,
	}
	if eb.Spec.HealthCheck.InitialState == v1alpha1.InitialStateHealthy {
		b.Initial = health.Healthy
	}
	b.ServiceProblem = cmp.Or(serviceProblem(eb.Namespace, ServiceName(eb), svc), b.passthroughProblem(svc))
	if svc != nil {
		b.ServiceWarning = cmp.Or(serviceWarning(svc), b.passthroughWarning(svc))
		portProblem := b.resolvePorts(eb, svc)
		if b.ServiceProblem == nil {
			b.ServiceProblem = portProblem
			b.Portless = len(svc.Spec.Ports) == 0 && IsHeadless(svc)
			b.Publishable = b.Portless || b.hasPorts()
		}
	} else {
		b.addPorts(nil)
	}
	b.checks(eb, minInterval, published)
	return b
}

func entries(eb *v1alpha1.ExternalBackend) []Entry {
	list := make([]Entry, len(eb.Spec.Targets))
	for i, t := range eb.Spec.Targets {
		list[i] = Entry{Name: t.Name, State: cmp.Or(t.State, v1alpha1.TargetActive), Zone: t.Zone, Tier: max(0, int(t.Tier))}
		if t.FQDN != nil {
			list[i].FQDN, list[i].Invalid = fqdnOf(t.FQDN, len(eb.Spec.Targets))
		}
		if t.EC2 != nil {
			list[i].EC2, list[i].Invalid = ec2Of(t.EC2)
		}
		if t.IP == nil {
			continue
		}
		list[i].Literals = make([]string, len(t.IP.Addresses))
		for j, address := range t.IP.Addresses {
			list[i].Literals[j] = string(address)
		}
	}
	return list
}

const defaultDrain = 30 * time.Second

// drainOf falls back on the default, as the CRD would have filled it in.
func drainOf(eb *v1alpha1.ExternalBackend) time.Duration {
	return durationOr(eb.Spec.Drain.Duration, defaultDrain)
}

func durationOr(text v1alpha1.Duration, otherwise time.Duration) time.Duration {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return otherwise
	}
	return d
}

const defaultReturnDelay = time.Minute

func tiersOf(eb *v1alpha1.ExternalBackend) health.TierPolicy {
	var spec v1alpha1.Availability
	if eb.Spec.Availability != nil {
		spec = *eb.Spec.Availability
	}
	return health.TierPolicy{
		Count: max(1, int(spec.MinHealthy.Count)), Percent: int(spec.MinHealthy.Percent),
		Cumulative:  spec.Tiers.Mode == v1alpha1.TierCumulative,
		ReturnDelay: durationOr(spec.Tiers.ReturnDelay, defaultReturnDelay),
	}
}

// PortSet returns the index of a set of ports, which is added if no entry has
// it: addresses that drain keep the ports that they were published with. Ports
// that somebody edited into what must not be published stand for the first ones
// that there are (rules 11 and 12).
func (b *Backend) PortSet(ports []discoveryv1.EndpointPort) int {
	if slices.ContainsFunc(ports, incomplete) {
		return max(0, slices.IndexFunc(b.PortSets, func(set []discoveryv1.EndpointPort) bool { return len(set) > 0 }))
	}
	before := len(b.PortSets)
	set := b.addPorts(ports)
	if set == before && b.Checks != nil {
		list, problem := b.checksOn(ports)
		for i := 0; problem != nil && len(list) == 0 && i < len(b.Checks); i++ {
			list = b.Checks[i] // one of them is not empty: there is something to check
		}
		b.Checks = append(b.Checks, list)
	}
	return set
}

// EntryPorts returns the ports of the entries that have their own, in the form
// in which claims are compared.
func (b *Backend) EntryPorts() map[string][]target.Port {
	var own map[string][]target.Port
	for i := range b.Entries {
		if e := &b.Entries[i]; e.Ports != 0 {
			if own == nil {
				own = make(map[string][]target.Port)
			}
			own[e.Name] = TargetPorts(b.PortSets[e.Ports])
		}
	}
	return own
}

// TargetPorts returns ports in the form in which claims are compared.
func TargetPorts(ports []discoveryv1.EndpointPort) []target.Port {
	list := make([]target.Port, 0, len(ports))
	for _, p := range ports {
		if p.Name != nil && p.Protocol != nil && p.Port != nil {
			list = append(list, target.Port{Name: *p.Name, Protocol: string(*p.Protocol), Number: *p.Port})
		}
	}
	return list
}

// SliceOwner returns the owner as slices name it.
func (b *Backend) SliceOwner() sliceplan.Owner {
	return sliceplan.Owner{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: Kind,
		Name: b.Owner.Name, UID: types.UID(b.Owner.UID),
	}
}
