// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// chain is the names to which CNAME records led, in order, on the way to records.
// It does not change.
type chain struct{ names []string }

// maxChains bounds what the chains of a pool take, in bytes: some hundred as they
// are found, and no fewer than three of the longest.
const maxChains = 16 << 10

func (c *chain) size() (n int) {
	for _, name := range c.names {
		n += 16 + len(name)
	}
	return n
}

// via returns the chain of an answer, the same one as long as records are known
// that came by it; nil if no CNAME record led to the records.
func (p *pool[R]) via(names []string) *chain {
	if len(names) == 0 {
		return nil
	}
	c := &chain{names}
	if i := slices.IndexFunc(p.chains, func(c *chain) bool { return slices.Equal(c.names, names) }); i >= 0 {
		c = p.chains[i]
		p.chains = slices.Delete(p.chains, i, i+1)
	}
	p.chains = slices.Insert(p.chains, 0, c)
	return c
}

// keepChains forgets the chains by which nothing came that is known. If the others
// take too much, the ones that no answer has had for the longest time go, with all
// that came by them: what cannot be vetted any more is not kept.
func (p *pool[R]) keepChains() {
	if len(p.chains) == 0 {
		return
	}
	used := make(map[*chain]bool, len(p.chains))
	for i := range p.known {
		used[p.known[i].by] = true
	}
	size := 0
	p.chains = slices.DeleteFunc(p.chains, func(c *chain) bool {
		if used[c] {
			size += c.size()
			used[c] = size <= maxChains
		}
		return !used[c]
	})
	if size > maxChains {
		p.known = slices.DeleteFunc(p.known, func(r record[R]) bool { return r.by != nil && !used[r.by] })
	}
}
