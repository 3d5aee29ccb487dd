// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import "slices"

// describeAutoScalingInstances lists the instances that are in groups: all, or
// those of at most 50 ids. Ids of others are left out.
func (c *call) describeAutoScalingInstances() (any, *failure) {
	const most = 50
	ids := c.list("InstanceIds.member")
	if len(ids) > most {
		return nil, fail(400, "ValidationError", "The number of instance ids that may be passed in is limited to 50")
	}
	var items []any
	for _, i := range c.region.listed() {
		if i.Group == "" || c.hidden[i.ID] || len(ids) > 0 && !slices.Contains(ids, i.ID) {
			continue
		}
		items = append(items, element("member", leaf("InstanceId", i.ID), leaf("InstanceType", i.Type),
			leaf("AutoScalingGroupName", i.Group), leaf("AvailabilityZone", i.Zone), leaf("LifecycleState", i.Lifecycle),
			leaf("HealthStatus", "HEALTHY"), leaf("ProtectedFromScaleIn", "false")))
	}
	return element("AutoScalingInstances", items...), nil
}
