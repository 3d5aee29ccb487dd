// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

// groupTag is the tag that Auto Scaling puts on its instances, and nobody else can.
const groupTag = "aws:autoscaling:groupName"

func filters(all []ec2.Filter) []types.Filter {
	var converted []types.Filter
	for _, filter := range all {
		converted = append(converted, types.Filter{Name: &filter.Name, Values: filter.Values})
	}
	return converted
}

// unescaped are the characters that AWS takes for others in the values of filters.
var unescaped = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `\`, `\\`)

// literal returns values of a filter that stand for these texts alone.
func literal(texts []string) []string {
	values := make([]string, len(texts))
	for n, text := range texts {
		values[n] = unescaped.Replace(text)
	}
	return values
}

func token(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func instances(reservations []types.Reservation) []ec2.Instance {
	var all []ec2.Instance
	for _, reservation := range reservations {
		for i := range reservation.Instances {
			if converted := instance(&reservation.Instances[i]); converted.ID != "" {
				converted.OwnerID = aws.ToString(reservation.OwnerId)
				all = append(all, converted)
			}
		}
	}
	return all
}

func instance(in *types.Instance) ec2.Instance {
	out := ec2.Instance{
		ID:              aws.ToString(in.InstanceId),
		Tags:            tags(in.Tags),
		VPCID:           aws.ToString(in.VpcId),
		SubnetID:        aws.ToString(in.SubnetId),
		Type:            string(in.InstanceType),
		ImageID:         aws.ToString(in.ImageId),
		KeyName:         aws.ToString(in.KeyName),
		Architecture:    string(in.Architecture),
		SpotOrScheduled: string(in.InstanceLifecycle),
		PrivateDNSName:  aws.ToString(in.PrivateDnsName),
		PublicDNSName:   aws.ToString(in.PublicDnsName),
		PrivateIP:       ipv4(in.PrivateIpAddress),
		PublicIP:        ipv4(in.PublicIpAddress),
	}
	out.Group = out.Tags[groupTag]
	if in.State != nil {
		out.State = ec2.State(in.State.Name)
	}
	if placement := in.Placement; placement != nil {
		out.Zone = aws.ToString(placement.AvailabilityZone)
		out.ZoneID = aws.ToString(placement.AvailabilityZoneId)
		out.Tenancy = string(placement.Tenancy)
		out.PlacementGroup = aws.ToString(placement.GroupName)
	}
	if in.IamInstanceProfile != nil {
		out.ProfileARN = aws.ToString(in.IamInstanceProfile.Arn)
	}
	for _, group := range in.SecurityGroups {
		out.SecurityGroupIDs = append(out.SecurityGroupIDs, aws.ToString(group.GroupId))
		out.SecurityGroups = append(out.SecurityGroups, aws.ToString(group.GroupName))
	}
	if out.State == ec2.Terminated { // Another instance may have its addresses.
		out.PrivateIP, out.PublicIP = netip.Addr{}, netip.Addr{}
		return out
	}
	out.Interfaces = interfaces(in.NetworkInterfaces)
	return out
}

func interfaces(all []types.InstanceNetworkInterface) []ec2.Interface {
	var used []ec2.Interface
	for i := range all {
		in := &all[i]
		if in.Status != types.NetworkInterfaceStatusInUse ||
			in.Attachment == nil || in.Attachment.Status != types.AttachmentStatusAttached {
			continue
		}
		used = append(used, ec2.Interface{
			ID:          aws.ToString(in.NetworkInterfaceId),
			DeviceIndex: int(aws.ToInt32(in.Attachment.DeviceIndex)),
			SubnetID:    aws.ToString(in.SubnetId),
			IPv4:        ipv4s(in),
			IPv6:        ipv6s(in.Ipv6Addresses),
		})
	}
	slices.SortFunc(used, func(a, b ec2.Interface) int {
		return cmp.Or(cmp.Compare(a.DeviceIndex, b.DeviceIndex), cmp.Compare(a.ID, b.ID))
	})
	return used
}

// ipv4s returns the addresses of an interface, the primary one first. One without
// a list has its primary address only.
func ipv4s(in *types.InstanceNetworkInterface) []ec2.IPv4 {
	list := in.PrivateIpAddresses
	if len(list) == 0 {
		list = []types.InstancePrivateIpAddress{{PrivateIpAddress: in.PrivateIpAddress, Association: in.Association}}
	}
	var primary, others []ec2.IPv4
	for _, address := range list {
		converted := ec2.IPv4{Private: ipv4(address.PrivateIpAddress)}
		if !converted.Private.IsValid() {
			continue
		}
		if address.Association != nil {
			converted.Public = ipv4(address.Association.PublicIp)
		}
		if aws.ToBool(address.Primary) {
			primary = append(primary, converted)
		} else {
			others = append(others, converted)
		}
	}
	return append(primary, others...)
}

// ipv6s returns addresses sorted, but the primary one first.
func ipv6s(list []types.InstanceIpv6Address) []netip.Addr {
	var primary, others []netip.Addr
	for _, address := range list {
		converted := ipv6(address.Ipv6Address)
		switch {
		case !converted.IsValid():
		case aws.ToBool(address.IsPrimaryIpv6):
			primary = append(primary, converted)
		default:
			others = append(others, converted)
		}
	}
	slices.SortFunc(primary, netip.Addr.Compare)
	slices.SortFunc(others, netip.Addr.Compare)
	return append(primary, others...)
}

// ipv4 returns an address; zero if it is none.
func ipv4(text *string) netip.Addr {
	if addr, err := netip.ParseAddr(aws.ToString(text)); err == nil && addr.Is4() {
		return addr
	}
	return netip.Addr{}
}

// ipv6 returns an address; zero if it is none.
func ipv6(text *string) netip.Addr {
	if addr, err := netip.ParseAddr(aws.ToString(text)); err == nil && addr.Is6() && !addr.Is4In6() && addr.Zone() == "" {
		return addr
	}
	return netip.Addr{}
}

func tags(all []types.Tag) map[string]string {
	converted := make(map[string]string, len(all))
	for _, tag := range all {
		if tag.Key != nil {
			converted[*tag.Key] = aws.ToString(tag.Value)
		}
	}
	return converted
}

func statuses(all []types.InstanceStatus) []ec2.Status {
	var converted []ec2.Status
	for i := range all {
		in := &all[i]
		if id := aws.ToString(in.InstanceId); id != "" {
			converted = append(converted, ec2.Status{ID: id, Impaired: impaired(in), Events: events(in.Events)})
		}
	}
	return converted
}

func impaired(in *types.InstanceStatus) bool {
	for _, summary := range []*types.InstanceStatusSummary{in.InstanceStatus, in.SystemStatus} {
		if summary != nil && summary.Status == types.SummaryStatusImpaired {
			return true
		}
	}
	return in.AttachedEbsStatus != nil && in.AttachedEbsStatus.Status == types.SummaryStatusImpaired
}

// events returns what is yet to come. AWS tells of what is over for some days more.
func events(all []types.InstanceStatusEvent) []ec2.Event {
	var coming []ec2.Event
	for _, event := range all {
		text := aws.ToString(event.Description)
		if event.Code == "" || strings.HasPrefix(text, "[Completed]") || strings.HasPrefix(text, "[Canceled]") {
			continue
		}
		coming = append(coming, ec2.Event{Code: string(event.Code), NotBefore: aws.ToTime(event.NotBefore)})
	}
	slices.SortFunc(coming, func(a, b ec2.Event) int {
		return cmp.Or(a.NotBefore.Compare(b.NotBefore), cmp.Compare(a.Code, b.Code))
	})
	return coming
}
