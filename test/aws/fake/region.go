// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"cmp"
	"maps"
	"slices"
)

// Region is a region as one account sees it.
type Region struct {
	account   *Account
	name      string
	disabled  bool
	pageSize  int // 0: as large as is asked for
	instances map[string]*Instance
	queues    map[string]*Queue
}

// Name of the region, such as eu-west-1.
func (r *Region) Name() string { return r.name }

// Disable says whether the account has not enabled the region.
func (r *Region) Disable(disabled bool) {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	r.disabled = disabled
}

// SetPageSize has no page with more than this many instances, whatever is asked for;
// 0: no such limit.
func (r *Region) SetPageSize(size int) {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	r.pageSize = size
}

// listed are the instances of the region in the order in which they are listed.
func (r *Region) listed() []*Instance {
	list := slices.Collect(maps.Values(r.instances))
	sortByRank(list, func(i *Instance) uint64 { return r.account.server.rank(i.ID) })
	return list
}

// sortByRank sorts a list of which every element has another rank.
func sortByRank[T any](list []T, rank func(T) uint64) {
	type ranked struct {
		item T
		rank uint64
	}
	order := make([]ranked, 0, len(list))
	for _, item := range list {
		order = append(order, ranked{item, rank(item)})
	}
	slices.SortFunc(order, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	for n := range order {
		list[n] = order[n].item
	}
}
