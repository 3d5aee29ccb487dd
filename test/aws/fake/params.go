// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strconv"
)

// list reads the parameters name.1, name.2 and so on.
func (c *call) list(name string) []string {
	var values []string
	for n := 1; c.params.Has(name + "." + strconv.Itoa(n)); n++ {
		values = append(values, c.params.Get(name+"."+strconv.Itoa(n)))
	}
	return values
}

// filters reads the filters of a request.
func (c *call) filters() []filter {
	var list []filter
	for n := 1; c.params.Has(fmt.Sprintf("Filter.%d.Name", n)); n++ {
		list = append(list, filter{
			c.params.Get(fmt.Sprintf("Filter.%d.Name", n)),
			c.list(fmt.Sprintf("Filter.%d.Value", n)),
		})
	}
	return list
}

// pairs reads the parameters name.N.Key and name.N.Value.
func (c *call) pairs(name string) map[string]string {
	pairs := map[string]string{}
	for n := 1; c.params.Has(fmt.Sprintf("%s.%d.Key", name, n)); n++ {
		pairs[c.params.Get(fmt.Sprintf("%s.%d.Key", name, n))] = c.params.Get(fmt.Sprintf("%s.%d.Value", name, n))
	}
	return pairs
}

// cursor is what a token says: where a page begins, which one it is, and of which
// listing.
type cursor struct {
	page    int
	after   uint64 // the rank of the last one on the page before
	listing uint64
}

func (t cursor) String() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d/%d/%d", t.page, t.after, t.listing))
}

// cursor reads the token of a request. One that is not valid says page 0.
func (c *call) cursor() cursor {
	token := c.params.Get("NextToken")
	if token == "" {
		return cursor{page: 1, listing: c.listing()}
	}
	text, _ := base64.StdEncoding.DecodeString(token)
	var t cursor
	if n, _ := fmt.Sscanf(string(text), "%d/%d/%d", &t.page, &t.after, &t.listing); n != 3 || t.listing != c.listing() {
		return cursor{}
	}
	return t
}

// page is which page of a listing is asked for.
func (c *call) page() int { return c.cursor().page }

// listing tells listings apart: by everything that is asked for but the page.
func (c *call) listing() uint64 {
	h := fnv.New64a()
	account, region := c.where()
	_, _ = fmt.Fprint(h, account, region)
	params := map[string][]string{}
	for name, values := range c.params {
		if name != "NextToken" && name != "MaxResults" {
			params[name] = values
		}
	}
	_, _ = fmt.Fprint(h, params) // sorted by key
	return h.Sum64()
}

// paginate cuts the page out of a list that is asked for; next is the token of the
// one that follows.
func paginate[T any](c *call, list []T, rank func(T) uint64) (page []T, next string, failed *failure) {
	begin := c.cursor()
	if begin.page == 0 {
		return nil, "", fail(400, "InvalidParameterValue", "Unable to parse pagination token.")
	}
	size := len(list)
	if text := c.params.Get("MaxResults"); text != "" {
		const smallest, largest = 5, 1000
		n, err := strconv.Atoi(text)
		if err != nil || n < smallest || n > largest {
			return nil, "", fail(400, "InvalidParameterValue",
				"Value ( "+text+" ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.")
		}
		size = n
	}
	if limit := c.region.pageSize; limit > 0 {
		size = min(size, limit)
	}
	for _, item := range list {
		if begin.page > 1 && rank(item) <= begin.after {
			continue
		}
		if len(page) == size {
			last := rank(page[size-1])
			return page, cursor{begin.page + 1, last, begin.listing}.String(), nil
		}
		page = append(page, item)
	}
	return page, "", nil
}
