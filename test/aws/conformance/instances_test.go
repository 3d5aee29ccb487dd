// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

// byValue compares addresses.
var byValue = cmpopts.EquateComparable(netip.Addr{})

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, byValue, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestInstancesAreToldInFull(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		fleet := w.fleet(home, region)
		id := fleet.run(1, spec{address: "10.9.0.77", tags: map[string]string{"app": "payments", "empty": ""}})[0]
		got := get(t, asUser(t, w), id)
		same(t, "state", ec2.Running, got.State)
		same(t, "tags", map[string]string{"app": "payments", "empty": ""}, got.Tags)
		same(t, "zone", zone, got.Zone)
		same(t, "owner", home, got.OwnerID)
		same(t, "type", "t3.micro", got.Type)
		same(t, "architecture", "x86_64", got.Architecture)
		same(t, "tenancy", "default", got.Tenancy)
		same(t, "private address", netip.MustParseAddr("10.9.0.77"), got.PrivateIP)
		if got.VPCID == "" || got.SubnetID == "" || got.ImageID == "" {
			t.Errorf("without a VPC, subnet or image: %+v", got)
		}
		if len(got.Interfaces) != 1 {
			t.Fatalf("interfaces: %+v", got.Interfaces)
		}
		eni := got.Interfaces[0]
		same(t, "interface", fleet.primary(id), eni.ID)
		same(t, "its index", 0, eni.DeviceIndex)
		same(t, "its subnet", got.SubnetID, eni.SubnetID)
		same(t, "its addresses", []ec2.IPv4{{Private: got.PrivateIP}}, eni.IPv4)
		same(t, "its IPv6 addresses", []netip.Addr(nil), eni.IPv6)
	})
}

func TestInterfaces(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		fleet, api := w.fleet(home, region), asUser(t, w)
		id := fleet.run(1, spec{address: "10.9.0.77"})[0]
		second := fleet.attach(id, 2, eni{ipv4: []string{"10.9.2.1", "10.9.2.3", "10.9.2.2"}})
		third := fleet.attach(id, 1, eni{ipv4: []string{"10.9.1.1"}, ipv6: []string{"2001:db8:9::2", "2001:db8:9::1"}})
		public := netip.MustParseAddr(fleet.publish(fleet.primary(id)))

		got := get(t, api, id)
		var indexes []int
		var enis []string
		for _, eni := range got.Interfaces {
			indexes, enis = append(indexes, eni.DeviceIndex), append(enis, eni.ID)
		}
		same(t, "device indexes", []int{0, 1, 2}, indexes)
		same(t, "interfaces", []string{fleet.primary(id), third, second}, enis)
		if t.Failed() {
			return
		}
		same(t, "public address", []ec2.IPv4{{Private: netip.MustParseAddr("10.9.0.77"), Public: public}}, got.Interfaces[0].IPv4)
		same(t, "public address of the instance", public, got.PublicIP)
		same(t, "IPv6 addresses", addresses("2001:db8:9::1", "2001:db8:9::2"), got.Interfaces[1].IPv6)
		var private []netip.Addr
		for _, address := range got.Interfaces[2].IPv4 {
			private = append(private, address.Private)
		}
		same(t, "secondary addresses", addresses("10.9.2.1", "10.9.2.3", "10.9.2.2")[0], private[0])
		slices.SortFunc(private, netip.Addr.Compare)
		same(t, "all addresses", addresses("10.9.2.1", "10.9.2.2", "10.9.2.3"), private)
	})
}

func TestFilters(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		fleet, key := w.fleet(home, region), w.user()
		run := func(address string, tags map[string]string) string {
			return fleet.run(1, spec{address: address, tags: tags})[0]
		}
		a := run("10.9.0.1", map[string]string{"app": "payments", "stage": "production"})
		b := run("10.9.0.2", map[string]string{"app": "payments-2", "stage": "test"})
		c := run("10.9.0.3", map[string]string{"App": "payments", "stage": ""})
		d := run("10.9.0.4", nil)
		network := get(t, connect(t, w, key, nil, region), a)
		filter := func(name string, values ...string) ec2.Filter { return ec2.Filter{Name: name, Values: values} }
		cases := []struct {
			about   string
			filters []ec2.Filter
			want    []string
		}{
			{"none", nil, []string{a, b, c, d}},
			{"value", []ec2.Filter{filter("tag:app", "payments")}, []string{a}},
			{"values", []ec2.Filter{filter("tag:app", "payments", "payments-2")}, []string{a, b}},
			{"any characters", []ec2.Filter{filter("tag:app", "pay*")}, []string{a, b}},
			{"one character", []ec2.Filter{filter("tag:app", "payments-?")}, []string{b}},
			{"empty value", []ec2.Filter{filter("tag:stage", "")}, []string{c}},
			{"any value", []ec2.Filter{filter("tag:stage", "*")}, []string{a, b, c}},
			{"no such value", []ec2.Filter{filter("tag:app", "Payments")}, nil},
			{"key", []ec2.Filter{filter("tag-key", "app")}, []string{a, b}},
			{"key in another case", []ec2.Filter{filter("tag-key", "App")}, []string{c}},
			{"both", []ec2.Filter{filter("tag:app", "pay*"), filter("tag:stage", "test")}, []string{b}},
			{"state", []ec2.Filter{filter("instance-state-name", "running", "pending")}, []string{a, b, c, d}},
			{"other state", []ec2.Filter{filter("instance-state-name", "stopped")}, nil},
			{"id", []ec2.Filter{filter("instance-id", a, d)}, []string{a, d}},
			{"id that is unknown", []ec2.Filter{filter("instance-id", a, "i-0123456789abcdef0")}, []string{a}},
			{"address", []ec2.Filter{filter("private-ip-address", "10.9.0.2")}, []string{b}},
			{"type", []ec2.Filter{filter("instance-type", "t3.micro")}, []string{a, b, c, d}},
			{"other type", []ec2.Filter{filter("instance-type", "t3.large")}, nil},
			{"image", []ec2.Filter{filter("image-id", network.ImageID)}, []string{a, b, c, d}},
			{"VPC", []ec2.Filter{filter("vpc-id", network.VPCID)}, []string{a, b, c, d}},
			{"subnet", []ec2.Filter{filter("subnet-id", network.SubnetID)}, []string{a, b, c, d}},
			{"other subnet", []ec2.Filter{filter("subnet-id", "subnet-0123456789abcdef0")}, nil},
			{"architecture", []ec2.Filter{filter("architecture", "x86_64")}, []string{a, b, c, d}},
		}
		for _, test := range cases {
			got, _ := list(t, connect(t, w, key, nil, region), test.filters...) // at its own rate
			same(t, test.about, sorted(test.want...), ids(got))
		}
	})
}

func TestLifeCycle(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		fleet, api := w.fleet(home, region), asUser(t, w)
		id := fleet.run(1, spec{address: "10.9.0.77"})[0]
		kept := fleet.run(1, spec{address: "10.9.0.78"})[0]
		same(t, "state", ec2.Running, get(t, api, id).State)

		fleet.stop(id)
		stopped := get(t, api, id)
		same(t, "state", ec2.Stopped, stopped.State)
		same(t, "address", netip.MustParseAddr("10.9.0.77"), stopped.PrivateIP)
		running, _ := list(t, api, ec2.Filter{Name: "instance-state-name", Values: []string{"running"}})
		same(t, "running", []string{kept}, ids(running))

		fleet.start(id)
		same(t, "state", ec2.Running, get(t, api, id).State)

		fleet.tag(id, "app", "payments")
		same(t, "tags", map[string]string{"app": "payments"}, get(t, api, id).Tags)
		fleet.untag(id, "app")
		same(t, "tags", map[string]string{}, get(t, api, id).Tags)

		fleet.terminate(id)
		ended := get(t, api, id)
		same(t, "state", ec2.Terminated, ended.State)
		same(t, "interfaces", []ec2.Interface(nil), ended.Interfaces)
		same(t, "address", netip.Addr{}, ended.PrivateIP)
		all, _ := list(t, api)
		same(t, "all", sorted(id, kept), ids(all))
	})
}

func TestPages(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		const many = 1003
		var want []string
		fleet := w.fleet(home, region)
		for range many {
			want = append(want, fleet.run(1, spec{})...)
		}
		got, sizes := list(t, asUser(t, w))
		same(t, "sizes of pages", []int{1000, 3}, sizes)
		same(t, "instances", sorted(want...), ids(got))
	})
}

func TestUnknownIDs(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		api := asUser(t, w)
		id := w.fleet(home, region).run(1, spec{})[0]
		_, _, err := api.Instances(t.Context(), ec2.InstancesRequest{IDs: []string{id, "i-0123456789abcdef0"}})
		failure := failed(t, err)
		same(t, "kind", ec2.Refused, failure.Kind)
		same(t, "code", "InvalidInstanceID.NotFound", failure.Code)
		same(t, "action", "ec2:DescribeInstances", failure.Action)
	})
}

func TestRegionsAreApart(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		key := w.user()
		here := w.fleet(home, region).run(1, spec{})
		there := w.fleet(home, "eu-central-1").run(2, spec{})
		got, _ := list(t, connect(t, w, key, nil, region))
		same(t, "instances here", here, ids(got))
		got, _ = list(t, connect(t, w, key, nil, "eu-central-1"))
		same(t, "instances there", sorted(there...), ids(got))
	})
}
