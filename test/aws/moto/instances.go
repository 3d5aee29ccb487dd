// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package moto

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Network makes a VPC with one subnet, which has all of its addresses, in a zone,
// and returns the subnet's id. The IPv6 prefix may be left out.
func (c *Client) Network(ctx context.Context, ipv4, ipv6, zone string) (string, error) {
	var vpc struct {
		ID string `xml:"vpc>vpcId"`
	}
	if err := c.Query(ctx, &vpc, "ec2", "CreateVpc", "CidrBlock", ipv4); err != nil {
		return "", err
	}
	params := []string{"VpcId", vpc.ID, "CidrBlock", ipv4, "AvailabilityZone", zone}
	if ipv6 != "" {
		params = append(params, "Ipv6CidrBlock", ipv6)
	}
	var subnet struct {
		ID string `xml:"subnet>subnetId"`
	}
	err := c.Query(ctx, &subnet, "ec2", "CreateSubnet", params...)
	return subnet.ID, err
}

// Instance says how an instance is started. What is left out moto makes up.
type Instance struct {
	Subnet    string
	PrivateIP string
	Tags      map[string]string
	// Count is how many are started in one reservation; 0: one.
	Count int
}

// Run starts instances, which run at once, and returns their ids.
func (c *Client) Run(ctx context.Context, spec Instance) ([]string, error) {
	count := strconv.Itoa(max(1, spec.Count))
	params := []string{"ImageId", "ami-12c6146b", "InstanceType", "t3.micro", "MinCount", count, "MaxCount", count}
	if spec.Subnet != "" {
		params = append(params, "SubnetId", spec.Subnet)
	}
	if spec.PrivateIP != "" {
		params = append(params, "PrivateIpAddress", spec.PrivateIP)
	}
	if len(spec.Tags) > 0 {
		params = append(params, "TagSpecification.1.ResourceType", "instance")
		params = append(params, pairs("TagSpecification.1.Tag", spec.Tags)...)
	}
	var answer struct {
		IDs []string `xml:"instancesSet>item>instanceId"`
	}
	err := c.Query(ctx, &answer, "ec2", "RunInstances", params...)
	return answer.IDs, err
}

func pairs(prefix string, tags map[string]string) []string {
	var params []string
	for n, key := range slices.Sorted(maps.Keys(tags)) {
		params = append(params,
			fmt.Sprintf("%s.%d.Key", prefix, n+1), key, fmt.Sprintf("%s.%d.Value", prefix, n+1), tags[key])
	}
	return params
}

// Tag sets tags of an instance or a network interface.
func (c *Client) Tag(ctx context.Context, id string, tags map[string]string) error {
	return c.Query(ctx, nil, "ec2", "CreateTags", append(pairs("Tag", tags), "ResourceId.1", id)...)
}

// Untag removes a tag.
func (c *Client) Untag(ctx context.Context, id, key string) error {
	return c.Query(ctx, nil, "ec2", "DeleteTags", "ResourceId.1", id, "Tag.1.Key", key)
}

// Stop stops an instance.
func (c *Client) Stop(ctx context.Context, id string) error {
	return c.Query(ctx, nil, "ec2", "StopInstances", "InstanceId.1", id)
}

// Start starts an instance that is stopped.
func (c *Client) Start(ctx context.Context, id string) error {
	return c.Query(ctx, nil, "ec2", "StartInstances", "InstanceId.1", id)
}

// Terminate terminates an instance.
func (c *Client) Terminate(ctx context.Context, id string) error {
	return c.Query(ctx, nil, "ec2", "TerminateInstances", "InstanceId.1", id)
}

// Interface says how a network interface is made.
type Interface struct {
	Subnet string
	// IPv4 are its private addresses, the primary one first; none: moto takes one.
	IPv4, IPv6 []string
	Tags       map[string]string
}

// Attach makes a network interface, attaches it to an instance, and returns its id.
func (c *Client) Attach(ctx context.Context, instance string, deviceIndex int, spec Interface) (string, error) {
	params := []string{"SubnetId", spec.Subnet}
	for n, address := range spec.IPv4 {
		params = append(params,
			fmt.Sprintf("PrivateIpAddresses.%d.PrivateIpAddress", n+1), address,
			fmt.Sprintf("PrivateIpAddresses.%d.Primary", n+1), strconv.FormatBool(n == 0))
	}
	for n, address := range spec.IPv6 {
		params = append(params, fmt.Sprintf("Ipv6Addresses.%d.Ipv6Address", n+1), address)
	}
	if len(spec.Tags) > 0 {
		params = append(params, "TagSpecification.1.ResourceType", "network-interface")
		params = append(params, pairs("TagSpecification.1.Tag", spec.Tags)...)
	}
	var answer struct {
		ID string `xml:"networkInterface>networkInterfaceId"`
	}
	if err := c.Query(ctx, &answer, "ec2", "CreateNetworkInterface", params...); err != nil {
		return "", err
	}
	return answer.ID, c.Query(ctx, nil, "ec2", "AttachNetworkInterface",
		"InstanceId", instance, "NetworkInterfaceId", answer.ID, "DeviceIndex", strconv.Itoa(deviceIndex))
}

// Publish associates a public address with a network interface and returns it.
func (c *Client) Publish(ctx context.Context, networkInterface string) (string, error) {
	var answer struct {
		ID     string `xml:"allocationId"`
		Public string `xml:"publicIp"`
	}
	if err := c.Query(ctx, &answer, "ec2", "AllocateAddress", "Domain", "vpc"); err != nil {
		return "", err
	}
	return answer.Public, c.Query(ctx, nil, "ec2", "AssociateAddress",
		"AllocationId", answer.ID, "NetworkInterfaceId", networkInterface)
}

// Group makes an Auto Scaling group without instances in a zone.
func (c *Client) Group(ctx context.Context, name, zone string) error {
	if err := c.Query(ctx, nil, "autoscaling", "CreateLaunchConfiguration",
		"LaunchConfigurationName", name, "ImageId", "ami-12c6146b", "InstanceType", "t3.micro"); err != nil {
		return err
	}
	return c.Query(ctx, nil, "autoscaling", "CreateAutoScalingGroup", "AutoScalingGroupName", name,
		"LaunchConfigurationName", name, "MinSize", "0", "MaxSize", "10", "DesiredCapacity", "0",
		"AvailabilityZones.member.1", zone)
}

// Join puts an instance into a group.
func (c *Client) Join(ctx context.Context, group, id string) error {
	return c.Query(ctx, nil, "autoscaling", "AttachInstances", "AutoScalingGroupName", group, "InstanceIds.member.1", id)
}

// EnterStandby takes an instance out of service in its group.
func (c *Client) EnterStandby(ctx context.Context, group, id string) error {
	return c.Query(ctx, nil, "autoscaling", "EnterStandby", "AutoScalingGroupName", group,
		"InstanceIds.member.1", id, "ShouldDecrementDesiredCapacity", "true")
}

// ExitStandby puts it back into service.
func (c *Client) ExitStandby(ctx context.Context, group, id string) error {
	return c.Query(ctx, nil, "autoscaling", "ExitStandby", "AutoScalingGroupName", group, "InstanceIds.member.1", id)
}
