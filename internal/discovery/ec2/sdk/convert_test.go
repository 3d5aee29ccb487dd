// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

func TestInstanceConversion(t *testing.T) {
	eni := func(id string, index int32, status types.AttachmentStatus) types.InstanceNetworkInterface {
		return types.InstanceNetworkInterface{
			NetworkInterfaceId: &id, Status: types.NetworkInterfaceStatusInUse,
			Attachment: &types.InstanceNetworkInterfaceAttachment{DeviceIndex: &index, Status: status},
			PrivateIpAddresses: []types.InstancePrivateIpAddress{
				{PrivateIpAddress: new("10.0.0.2")},
				{PrivateIpAddress: new("bad")},
				{
					PrivateIpAddress: new("10.0.0.1"), Primary: new(true),
					Association: &types.InstanceNetworkInterfaceAssociation{PublicIp: new("203.0.113.1")},
				},
			},
			Ipv6Addresses: []types.InstanceIpv6Address{
				{Ipv6Address: new("2001:db8::2")},
				{Ipv6Address: new("2001:db8::1")},
				{Ipv6Address: nil},
				{Ipv6Address: new("2001:db8::3"), IsPrimaryIpv6: new(true)},
			},
		}
	}
	in := types.Instance{
		InstanceId: new("i-1"), State: &types.InstanceState{Name: types.InstanceStateNameRunning},
		PublicIpAddress: new("203.0.113.1"),
		Tags:            []types.Tag{{Key: new("aws:autoscaling:groupName"), Value: new("g")}},
		NetworkInterfaces: []types.InstanceNetworkInterface{
			eni("eni-2", 1, types.AttachmentStatusAttached), eni("eni-3", 0, types.AttachmentStatusDetaching),
			eni("eni-1", 0, types.AttachmentStatusAttached),
		},
	}
	interfaceOf := func(id string, index int) ec2.Interface {
		return ec2.Interface{
			ID: id, DeviceIndex: index,
			IPv4: []ec2.IPv4{
				{Private: netip.MustParseAddr("10.0.0.1"), Public: netip.MustParseAddr("203.0.113.1")},
				{Private: netip.MustParseAddr("10.0.0.2")},
			},
			IPv6: []netip.Addr{netip.MustParseAddr("2001:db8::3"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")},
		}
	}
	want := ec2.Instance{
		ID: "i-1", State: ec2.Running, Group: "g", Tags: map[string]string{"aws:autoscaling:groupName": "g"},
		PublicIP:   netip.MustParseAddr("203.0.113.1"),
		Interfaces: []ec2.Interface{interfaceOf("eni-1", 0), interfaceOf("eni-2", 1)},
	}
	compare := []cmp.Option{cmpopts.EquateComparable(netip.Addr{})}
	if diff := cmp.Diff(want, instance(&in), compare...); diff != "" {
		t.Error(diff)
	}
	in.State.Name = types.InstanceStateNameTerminated
	want.State, want.Interfaces, want.PublicIP = ec2.Terminated, nil, netip.Addr{}
	if diff := cmp.Diff(want, instance(&in), compare...); diff != "" {
		t.Error(diff)
	}
}

func TestConversionOfNothing(t *testing.T) {
	if got := instances([]types.Reservation{{}, {Instances: []types.Instance{{}}}}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	instance(&types.Instance{
		State: &types.InstanceState{}, Placement: &types.Placement{}, IamInstanceProfile: &types.IamInstanceProfile{},
		Tags: []types.Tag{{}}, SecurityGroups: []types.GroupIdentifier{{}},
		NetworkInterfaces: []types.InstanceNetworkInterface{
			{},
			{Attachment: &types.InstanceNetworkInterfaceAttachment{}},
			{
				Status: types.NetworkInterfaceStatusInUse, Attachment: &types.InstanceNetworkInterfaceAttachment{Status: types.AttachmentStatusAttached},
				PrivateIpAddresses: []types.InstancePrivateIpAddress{{}, {Association: &types.InstanceNetworkInterfaceAssociation{}}},
				Ipv6Addresses:      []types.InstanceIpv6Address{{}},
			},
		},
	})
	if got := statuses([]types.InstanceStatus{{}, {Events: []types.InstanceStatusEvent{{}}}}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestStatusConversion(t *testing.T) {
	soon, late := time.Unix(1, 0), time.Unix(2, 0)
	got := statuses([]types.InstanceStatus{
		{
			InstanceId: new("i-1"), AttachedEbsStatus: &types.EbsStatusSummary{Status: types.SummaryStatusImpaired},
			Events: []types.InstanceStatusEvent{
				{Code: types.EventCodeInstanceStop, NotBefore: &late},
				{Code: types.EventCodeSystemReboot, NotBefore: &soon, Description: new("scheduled")},
				{Code: types.EventCodeSystemReboot, Description: new("[Completed] scheduled")},
				{Code: types.EventCodeSystemReboot, Description: new("[Canceled] scheduled")},
			},
		},
		{InstanceId: new("i-2"), SystemStatus: &types.InstanceStatusSummary{Status: types.SummaryStatusImpaired}},
		{InstanceId: new("i-3"), InstanceStatus: &types.InstanceStatusSummary{Status: types.SummaryStatusOk}},
	})
	want := []ec2.Status{
		{ID: "i-1", Impaired: true, Events: []ec2.Event{{Code: "system-reboot", NotBefore: soon}, {Code: "instance-stop", NotBefore: late}}},
		{ID: "i-2", Impaired: true},
		{ID: "i-3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
