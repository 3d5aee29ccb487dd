// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// cloud is an AWS in memory.
type cloud struct {
	mu        sync.Mutex
	instances map[string]Instance // of all regions and identities
	pageSize  int
	tags      map[string]map[string]string
	statuses  map[Problem][]Status
	states    map[string]string
	caller    Caller
	messages  []Message
	arrived   chan struct{} // a message did
	deleted   []string
	calls     []string
	connected []string
	// fail returns what comes of a call instead of an answer; nil: nothing.
	fail func(call string) error
	// hangs returns what a call waits for; nil: for nothing.
	hangs func(call string) <-chan struct{}
	// answer changes what a listing finds.
	answer func(found []Instance) []Instance
}

func newCloud(instances ...Instance) *cloud {
	c := &cloud{
		instances: map[string]Instance{}, pageSize: 2, tags: map[string]map[string]string{},
		statuses: map[Problem][]Status{}, states: map[string]string{}, caller: Caller{"123456789012", "arn:me"},
		arrived: make(chan struct{}, 1),
	}
	c.set(instances...)
	return c
}

// instance returns one that runs, with tags such as app=web.
func instance(id string, tags ...string) Instance {
	i := Instance{ID: id, State: Running, Zone: "a", Tags: map[string]string{}}
	for _, tag := range tags {
		key, value, _ := strings.Cut(tag, "=")
		i.Tags[key] = value
	}
	i.Interfaces = []Interface{{ID: "eni-" + id, IPv4: []IPv4{{Private: netip.MustParseAddr("10.0.0.1")}}}}
	return i
}

func (c *cloud) set(instances ...Instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range instances {
		c.instances[i.ID] = i
	}
}

func (c *cloud) change(id string, change func(*Instance)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.instances[id]
	i.Tags = maps.Clone(i.Tags)
	change(&i)
	c.instances[id] = i
}

func (c *cloud) remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.instances, id)
}

// failing has all calls fail whose description contains a text; nil ends that.
func (c *cloud) failing(text string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = func(call string) error {
		if err != nil && strings.Contains(call, text) {
			return err
		}
		return nil
	}
}

// took returns the calls since it was called last, except for those of the kinds.
func (c *cloud) took(except ...string) (calls []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		if !slices.ContainsFunc(except, func(kind string) bool { return strings.Contains(call, kind) }) {
			calls = append(calls, call)
		}
	}
	c.calls = nil
	return calls
}

func (c *cloud) send(body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, Message{Body: body, Receipt: "r" + strconv.Itoa(len(body))})
	poke(c.arrived)
}

// Connect implements Connector.
func (c *cloud) Connect(identity Identity, region string) API {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = append(c.connected, region)
	name := ""
	if identity.Role != nil {
		name = identity.Role.ARN
	}
	return &cloudAPI{c, name, region}
}

type cloudAPI struct {
	*cloud
	role, region string
}

// call notes a call, and returns with the lock held.
func (a *cloudAPI) call(ctx context.Context, format string, args ...any) error {
	call := a.role + a.region + " " + strings.TrimSpace(fmt.Sprintf(format, args...))
	a.mu.Lock()
	a.calls = append(a.calls, call)
	if a.hangs != nil {
		if wait := a.hangs(call); wait != nil {
			a.mu.Unlock()
			select {
			case <-wait:
			case <-ctx.Done():
			}
			a.mu.Lock()
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if a.fail != nil {
		return a.fail(call)
	}
	return nil
}

func describe(r *InstancesRequest) string {
	words := slices.Clone(r.IDs)
	for _, f := range r.Filters {
		words = append(words, f.Name+"="+strings.Join(f.Values, ","))
	}
	if r.Token != "" {
		words = append(words, "page", r.Token)
	}
	return strings.Join(words, " ")
}

func (a *cloudAPI) Instances(ctx context.Context, r InstancesRequest) ([]Instance, string, error) {
	kind := "list"
	if len(r.IDs) > 0 {
		kind = "ids"
	}
	err := a.call(ctx, "%s %s", kind, describe(&r))
	defer a.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	var found []Instance
	if len(r.IDs) > 0 {
		for _, id := range r.IDs {
			i, ok := a.instances[id]
			if !ok {
				return nil, "", &Failure{Kind: Refused, Action: instancesAction, Code: notFound}
			}
			found = append(found, i)
		}
		return found, "", nil
	}
	for _, id := range slices.Sorted(maps.Keys(a.instances)) {
		if i := a.instances[id]; accepted(r.Filters, &i) {
			found = append(found, i)
		}
	}
	if a.answer != nil {
		found = a.answer(found)
	}
	from, _ := strconv.Atoi(r.Token)
	from = min(from, len(found))
	if to := from + a.pageSize; to < len(found) {
		return found[from:to], strconv.Itoa(to), nil
	}
	return found[from:], "", nil
}

func (a *cloudAPI) InterfaceTags(ctx context.Context, keys []string, token string) (map[string]map[string]string, string, error) {
	err := a.call(ctx, "tags %s %s", strings.Join(keys, ","), token)
	defer a.mu.Unlock()
	return maps.Clone(a.tags), "", err
}

func (a *cloudAPI) Statuses(ctx context.Context, problem Problem, token string) ([]Status, string, error) {
	err := a.call(ctx, "status %s %s", problem, token)
	defer a.mu.Unlock()
	return slices.Clone(a.statuses[problem]), "", err
}

func (a *cloudAPI) Lifecycles(ctx context.Context, ids []string) (map[string]string, error) {
	err := a.call(ctx, "groups %s", strings.Join(ids, ","))
	defer a.mu.Unlock()
	found := map[string]string{}
	for _, id := range ids {
		if state, ok := a.states[id]; ok {
			found[id] = state
		}
	}
	return found, err
}

func (a *cloudAPI) Caller(ctx context.Context) (Caller, error) {
	err := a.call(ctx, "caller")
	defer a.mu.Unlock()
	return a.caller, err
}

func (a *cloudAPI) Receive(ctx context.Context, queue string) ([]Message, error) {
	err := a.call(ctx, "receive %s", queue)
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for {
		a.mu.Lock()
		messages := a.messages
		a.messages = nil
		a.mu.Unlock()
		if len(messages) > 0 {
			return messages, nil
		}
		select {
		case <-a.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (a *cloudAPI) Delete(ctx context.Context, queue string, receipts []string) error {
	err := a.call(ctx, "delete %s", queue)
	defer a.mu.Unlock()
	a.deleted = append(a.deleted, receipts...)
	return err
}
