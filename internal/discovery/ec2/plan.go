// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// maxByID is how many instances are asked for by their ids beside a listing that
// does not have them. More would take as many requests as a whole region does.
const maxByID = 20 * MaxFilterValues

// plan says what a refresh lists.
type plan struct {
	// ids are asked for by the filter instance-id, sorted.
	ids []string
	// listing is true if there is a listing besides, and filters narrow it.
	listing bool
	filters []Filter
}

// newPlan returns the cheapest plan that covers all selectors. A wide one is not
// narrowed.
func newPlan(selectors []*Selector, wide bool) plan {
	var byID, others []*Selector
	for _, s := range selectors {
		switch {
		case len(s.IDs) > 0:
			byID = append(byID, s)
		case len(s.Filters) > 0:
			others = append(others, s)
		}
	}
	switch {
	case len(byID)+len(others) == 0:
		return plan{}
	case wide:
		return plan{listing: true}
	case len(others) == 0:
		return plan{ids: union(byID)}
	}
	p := plan{listing: true, filters: narrowing(others)}
	byID = slices.DeleteFunc(byID, p.covers)
	if p.ids = union(byID); len(p.ids) > maxByID {
		return plan{listing: true, filters: narrowing(append(byID, others...))}
	}
	return p
}

func samePlan(a, b *plan) bool {
	return a.listing == b.listing && slices.Equal(a.ids, b.ids) &&
		slices.EqualFunc(a.filters, b.filters, func(x, y Filter) bool {
			return x.Name == y.Name && slices.Equal(x.Values, y.Values)
		})
}

// union returns all ids, sorted.
func union(selectors []*Selector) []string {
	ids := map[string]struct{}{}
	for _, s := range selectors {
		for _, id := range s.IDs {
			ids[id] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// narrowing returns filters that whatever one of the selectors selects passes, with
// at most MaxFilterValues values altogether.
func narrowing(selectors []*Selector) []Filter {
	var common []Filter
	for _, f := range selectors[0].Filters {
		if !narrows(f.Name) || slices.ContainsFunc(common, func(c Filter) bool { return c.Name == f.Name }) {
			continue
		}
		if values := inCommon(f.Name, selectors); len(values) > 0 {
			common = append(common, Filter{Name: f.Name, Values: values})
		}
	}
	slices.SortFunc(common, func(a, b Filter) int {
		return cmp.Or(cmp.Compare(len(a.Values), len(b.Values)), strings.Compare(a.Name, b.Name))
	})
	left := MaxFilterValues
	return slices.DeleteFunc(common, func(f Filter) bool {
		left -= len(f.Values)
		return left < 0
	})
}

func narrows(name string) bool {
	switch name {
	case "tag-key", "vpc-id", "subnet-id", "instance-type", "image-id":
		return true
	}
	return strings.HasPrefix(name, tagPrefix)
}

// inCommon returns all values of a filter, sorted; none if a selector does not have
// it, or has a value that AWS may not take.
func inCommon(name string, selectors []*Selector) []string {
	values := map[string]struct{}{}
	for _, s := range selectors {
		n := slices.IndexFunc(s.Filters, func(f Filter) bool { return f.Name == name })
		if n < 0 {
			return nil
		}
		for _, value := range s.Filters[n].Values {
			if value == "" || strings.ContainsFunc(value, unicode.IsControl) {
				return nil
			}
			values[value] = struct{}{}
		}
		if len(values) > MaxFilterValues {
			return nil
		}
	}
	return slices.Sorted(maps.Keys(values))
}

// covers says whether the plan lists whatever a selector selects.
func (p *plan) covers(s *Selector) bool {
	if len(s.IDs)+len(s.Filters) == 0 {
		return true
	}
	if len(s.IDs) > 0 && !slices.ContainsFunc(s.IDs, func(id string) bool { return !p.has(id) }) {
		return true
	}
	return p.listing && !slices.ContainsFunc(p.filters, func(f Filter) bool { return !f.passes(s) })
}

// passes says whether all that a selector selects passes a filter.
func (f *Filter) passes(s *Selector) bool {
	return slices.ContainsFunc(s.Filters, func(g Filter) bool {
		return g.Name == f.Name && !slices.ContainsFunc(g.Values, func(value string) bool {
			return !slices.Contains(f.Values, value)
		})
	})
}

// has says whether an id is asked for by itself.
func (p *plan) has(id string) bool {
	_, ok := slices.BinarySearch(p.ids, id)
	return ok
}

// requests returns the filters of each request, not counting pages.
func (p *plan) requests() [][]Filter {
	requests := byID(p.ids)
	if p.listing {
		requests = append(requests, p.filters)
	}
	return requests
}

// byID returns the filters of the requests for instances by their ids.
func byID(ids []string) [][]Filter {
	var requests [][]Filter
	for chunk := range slices.Chunk(ids, MaxFilterValues) {
		requests = append(requests, []Filter{{Name: "instance-id", Values: chunk}})
	}
	return requests
}
