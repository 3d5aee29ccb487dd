// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"regexp"
	"strings"
)

var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// describeInstances lists instances by filters, page by page, or by ids.
func (c *call) describeInstances() (any, *failure) {
	matches, failed := compile(c.filters(), instanceFilters)
	if failed != nil {
		return nil, failed
	}
	candidates, failed := c.instances()
	if failed != nil {
		return nil, failed
	}
	var list []*Instance
	for _, i := range candidates {
		if matches(i) {
			list = append(list, i)
		}
	}
	next := ""
	if len(c.list("InstanceId")) == 0 {
		list, next, failed = paginate(c, list, func(i *Instance) uint64 { return c.server.rank(i.ID) })
	}
	return describedInstances(list, next), failed
}

// instances are those that a request by ids is about, or all.
func (c *call) instances() ([]*Instance, *failure) {
	ids := c.list("InstanceId")
	if len(ids) == 0 {
		var list []*Instance
		for _, i := range c.region.listed() {
			if !c.hidden[i.ID] {
				list = append(list, i)
			}
		}
		return list, nil
	}
	if c.params.Has("MaxResults") || c.params.Has("NextToken") {
		return nil, fail(400, "InvalidParameterCombination",
			"The parameter instancesSet cannot be used with the parameter maxResults")
	}
	wanted, unknown := map[string]bool{}, []string{}
	for _, id := range ids {
		if !instanceID.MatchString(id) {
			return nil, fail(400, "InvalidInstanceID.Malformed", `Invalid id: "`+id+`"`)
		}
		if c.region.instances[id] == nil || c.hidden[id] {
			unknown = append(unknown, id)
		}
		wanted[id] = true
	}
	switch len(unknown) {
	case 0:
	case 1:
		return nil, fail(400, "InvalidInstanceID.NotFound", "The instance ID '"+unknown[0]+"' does not exist")
	default:
		return nil, fail(400, "InvalidInstanceID.NotFound", "The instance IDs '"+strings.Join(unknown, ", ")+"' do not exist")
	}
	var list []*Instance
	for _, i := range c.region.listed() {
		if wanted[i.ID] {
			list = append(list, i)
		}
	}
	return list, nil
}

// describeInstanceStatus lists the status of running instances, or of all.
func (c *call) describeInstanceStatus() (any, *failure) {
	const most = 100
	if len(c.list("InstanceId")) > most {
		return nil, fail(400, "InvalidParameterValue", "At most 100 instance IDs can be listed")
	}
	matches, failed := compile(c.filters(), statusFilters)
	if failed != nil {
		return nil, failed
	}
	candidates, failed := c.instances()
	if failed != nil {
		return nil, failed
	}
	var list []*Instance
	for _, i := range candidates {
		if (i.State == "running" || c.params.Get("IncludeAllInstances") == "true") && matches(i) {
			list = append(list, i)
		}
	}
	list, next, failed := paginate(c, list, func(i *Instance) uint64 { return c.server.rank(i.ID) })
	return describedStatuses(list, next), failed
}

// attached is a network interface with the instance that has it.
type attached struct {
	Interface
	instance *Instance
}

func (a attached) allTags() map[string]string { return a.Tags }

// describeNetworkInterfaces lists the network interfaces of all instances.
func (c *call) describeNetworkInterfaces() (any, *failure) {
	matches, failed := compile(c.filters(), interfaceFilters)
	if failed != nil {
		return nil, failed
	}
	var list []attached
	for _, i := range c.region.listed() {
		for _, eni := range i.Interfaces {
			if a := (attached{eni, i}); !c.hidden[i.ID] && matches(a) {
				list = append(list, a)
			}
		}
	}
	rank := func(a attached) uint64 { return c.server.rank(a.ID) }
	sortByRank(list, rank)
	list, next, failed := paginate(c, list, rank)
	return describedInterfaces(list, next), failed
}
