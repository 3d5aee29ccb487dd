// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sliceplan compares the endpoints that a Service should have with the
// EndpointSlices that it has, and says which slices to create, update and
// delete: the fewest writes, endpoints staying where they are. Rule numbers
// are those of docs/endpointslice-rules.md.
//
// Grouping: a slice holds endpoints of one backend, family and port set. A live
// one goes on with its ports as long as an endpoint in it has them. Otherwise
// it takes in place those that most of its endpoints have now, the first if
// several are had by as many (rule 17). Those that terminate have a say only
// where no other does. Endpoints with other ports leave the slice once another
// one has them (rule 43).
//
// Compaction: only where a plan takes endpoints away from a group, its emptiest
// slices may be freed: their endpoints go to slices that are written anyway,
// the fullest first, then to others, the emptiest first. As many are freed as
// gives the largest surplus of slices freed over slices written only for that;
// without a surplus, none. So plans that only flip or add move nothing.
//
// Bound: a plan writes each live slice that is not as it should be once; for
// every n endpoints of a group that have no place, at most n divided by the
// size of a slice, rounded up, others; and where compaction frees f slices,
// fewer than 2f more.
package sliceplan

import (
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// ManagedBy is the value of the managed-by label of every slice that the
	// operator writes (rules 1, 2).
	ManagedBy = "controller.externalbackend.dev"

	// ServiceUIDAnnotation records the UID of the Service that a slice was
	// written for (rule 50).
	ServiceUIDAnnotation = "externalbackend.dev/service-uid"

	// StateAnnotation records what the conditions of endpoints cannot say, for
	// those of a slice that need it: JSON, an object by address of objects with
	// drainUntil (RFC 3339), disabled (true), byState (true) or priority. drainUntil
	// is written along with other changes and never causes a write.
	StateAnnotation = "externalbackend.dev/endpoint-state"

	// MaxLabels is how many labels of a Service its slices mirror: 25 KiB at most.
	// A Service may have more than fit into a slice, and each of its slices has them.
	MaxLabels = 64

	// labelServiceProxy names the proxy that a Service and its slices are for, in
	// the place of kube-proxy.
	labelServiceProxy = "service.kubernetes.io/service-proxy-name"

	// DefaultMaxEndpoints is the default number of endpoints in a slice.
	DefaultMaxEndpoints = 100

	// HardMaxEndpoints is the most endpoints that the API server accepts in a
	// slice.
	HardMaxEndpoints = 1000
)

// Service is the Service that the slices belong to.
type Service struct {
	Namespace string
	Name      string
	UID       types.UID
	// Labels of the Service, of which its slices mirror MaxLabels (rule 10).
	Labels map[string]string
	// Headless is true when the Service has no cluster IP (rule 9).
	Headless bool
	// Families lists the address types of the Service (rule 26).
	Families []discoveryv1.AddressType
	// TrafficDistribution of the Service; nil if it has none (rule 40).
	TrafficDistribution *string
}

// Owner is the ExternalBackend that slices belong to.
type Owner struct {
	// APIVersion and Kind of the owner reference.
	APIVersion, Kind string
	Name             string
	UID              types.UID
}

// Conditions are the three conditions of an endpoint, always explicit
// (rule 32).
type Conditions struct {
	Ready, Serving, Terminating bool
}

// Endpoint is one address as it should be published.
type Endpoint struct {
	// Address in canonical text form.
	Address string
	// Family of the address.
	Family discoveryv1.AddressType
	// Entry is the name of the target entry that the address comes from.
	Entry string
	// Ports is the index of its ports in Backend.PortSets.
	Ports int
	// Hostname under which headless Services name the address; empty: none.
	Hostname string
	// Zone that the address is in; empty: not known (rule 39).
	Zone       string
	Conditions Conditions
	// Changed is when Conditions became what they are, for the annotation
	// last-change-trigger-time; zero if that is not known.
	Changed time.Time
	// DrainUntil is when a terminating endpoint goes; it is recorded in the
	// slice. Zero for all others.
	DrainUntil time.Time
	// Disabled is true when it is out on purpose, not since its checks fail; it is
	// recorded in the slice.
	Disabled bool
	// ByState is true when it drains since that was asked for, not since it left what
	// it comes from; it is recorded in the slice.
	ByState bool
	// Priority of the SRV record that it comes from, 0 to 65535; it is recorded in the
	// slice.
	Priority int
}

// Backend is what one ExternalBackend contributes.
type Backend struct {
	Owner Owner
	// PortSets are the different ports that endpoints have, with all defaults
	// filled in (rules 12, 19). A slice has the ports of one set.
	PortSets [][]discoveryv1.EndpointPort
	// Endpoints in the order in which new ones are placed; no address twice.
	Endpoints []Endpoint
	// Hold keeps ports, labels and addresses of the slices of this backend as
	// they are, because what they should be cannot be said right now. Only the
	// conditions of Endpoints are brought up to date, and those of Gone removed.
	Hold bool
	// Gone are addresses that a backend on hold publishes no longer, also where
	// Endpoints has them.
	Gone map[string]bool
}

// Input is everything that a plan depends on.
type Input struct {
	Service  Service
	Backends []Backend
	// Existing are the live slices of the Service that are owned by one of
	// Backends, or labelled for this Service and owned by none of them. They
	// are never modified (rule 47).
	Existing []*discoveryv1.EndpointSlice
	// MaxEndpoints in a slice, 1 to HardMaxEndpoints.
	MaxEndpoints int
}

// Plan is a list of writes in the order in which they must be done, so that
// no endpoint that stays is missing at any moment (rule 43). Where one fails,
// those that take away what it was to put elsewhere must not be done.
type Plan struct {
	// Misplaced slices carry the service-name label of another Service. They
	// are deleted first, since consumers index slices by that label and keep
	// what they learned under the old one until the slice is deleted (rule 8).
	Misplaced []*discoveryv1.EndpointSlice
	Create    []*discoveryv1.EndpointSlice
	Update    []*discoveryv1.EndpointSlice
	Delete    []*discoveryv1.EndpointSlice
	// Flips are the published endpoints whose readiness the plan changes.
	Flips []Flip
}

// Flip is a change of a published endpoint's readiness.
type Flip struct {
	Owner   types.UID
	Address string
	Entry   string
	Ready   bool
	// Draining is true when the endpoint is not ready because it drains.
	Draining bool
}

// Empty says that nothing is to be written.
func (p *Plan) Empty() bool {
	return len(p.Misplaced)+len(p.Create)+len(p.Update)+len(p.Delete) == 0
}
