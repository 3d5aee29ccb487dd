// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/internal/sliceplan"
)

const (
	ipv4 = discoveryv1.AddressTypeIPv4
	ipv6 = discoveryv1.AddressTypeIPv6
)

// Names of the slices of the backend "eb".
const (
	v4Slice = "eb-aaaaaaaa-ipv4-"
	v6Slice = "eb-aaaaaaaa-ipv6-"
)

func service() sliceplan.Service {
	return sliceplan.Service{
		Namespace: "shop", Name: "payments", UID: "svc-1",
		Labels:   map[string]string{"app": "payments", "team": "shop"},
		Families: []discoveryv1.AddressType{ipv4, ipv6},
	}
}

func owner(name string, uid types.UID) sliceplan.Owner {
	return sliceplan.Owner{APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend", Name: name, UID: uid}
}

func port(name string, number int32) discoveryv1.EndpointPort {
	return discoveryv1.EndpointPort{Name: new(name), Protocol: new(corev1.ProtocolTCP), Port: new(number)}
}

// portSets is one set.
func portSets(ports ...discoveryv1.EndpointPort) [][]discoveryv1.EndpointPort {
	return [][]discoveryv1.EndpointPort{ports}
}

// backend is the ExternalBackend "eb" with endpoints as in endpoints.
func backend(items ...string) sliceplan.Backend {
	return sliceplan.Backend{
		Owner:     owner("eb", "aaaaaaaa-0000-4000-8000-000000000000"),
		PortSets:  portSets(port("http", 8080), port("admin", 9090)),
		Endpoints: endpoints(items...),
	}
}

// endpoints reads addresses, each optionally followed by "!" (unready) and by
// "/entry".
func endpoints(items ...string) []sliceplan.Endpoint {
	list := make([]sliceplan.Endpoint, 0, len(items))
	for _, item := range items {
		address, entry, named := strings.Cut(item, "/")
		if !named {
			entry = "rack"
		}
		address, unready := strings.CutSuffix(address, "!")
		family := ipv4
		if strings.Contains(address, ":") {
			family = ipv6
		}
		list = append(list, sliceplan.Endpoint{
			Address: address, Family: family, Entry: entry,
			Conditions: sliceplan.Conditions{Ready: !unready, Serving: !unready},
		})
	}
	return list
}

func input(backends ...sliceplan.Backend) sliceplan.Input {
	return sliceplan.Input{Service: service(), Backends: backends, MaxEndpoints: 3}
}

// sequence returns 10.0.x.y addresses from number from up to before to.
func sequence(from, to int) []string {
	list := make([]string, 0, to-from)
	for n := from; n < to; n++ {
		list = append(list, fmt.Sprintf("10.0.%d.%d", n/250, n%250+1))
	}
	return list
}

// contents writes down the endpoints of a slice in the notation of endpoints,
// leaving out the entry "rack".
func contents(slice *discoveryv1.EndpointSlice) string {
	words := make([]string, len(slice.Endpoints))
	for i, e := range slice.Endpoints {
		words[i] = strings.Join(e.Addresses, "+")
		if e.Conditions.Ready != nil && !*e.Conditions.Ready {
			words[i] += "!"
		}
		if ref := e.TargetRef; ref != nil && ref.FieldPath != "spec.targets{rack}" {
			words[i] += "/" + strings.TrimSuffix(strings.TrimPrefix(ref.FieldPath, "spec.targets{"), "}")
		}
	}
	return strings.Join(words, " ")
}

// describe writes down the writes of a plan in their order.
func describe(plan sliceplan.Plan) []string {
	var writes []string
	for _, slice := range plan.Misplaced {
		writes = append(writes, "misplaced "+slice.Name)
	}
	for _, slice := range plan.Create {
		writes = append(writes, "create "+slice.Name+": "+contents(slice))
	}
	for _, slice := range plan.Update {
		writes = append(writes, "update "+slice.Name+": "+contents(slice))
	}
	for _, slice := range plan.Delete {
		writes = append(writes, "delete "+slice.Name)
	}
	return writes
}

func namesOf(list []*discoveryv1.EndpointSlice) []string {
	var names []string
	for _, slice := range list {
		names = append(names, slice.Name)
	}
	return names
}
