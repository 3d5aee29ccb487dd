// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// selects reads "i-1 i-2 vpc-id=a,b".
func selects(text string) (s Selector) {
	for word := range strings.FieldsSeq(text) {
		if name, values, ok := strings.Cut(word, "="); ok {
			s.Filters = append(s.Filters, Filter{name, strings.Split(values, ",")})
		} else {
			s.IDs = append(s.IDs, word)
		}
	}
	return s
}

func (p *plan) String() string {
	words := append([]string{}, p.ids...)
	if p.listing {
		words = append(words, "list")
	}
	for _, f := range p.filters {
		words = append(words, f.Name+"="+strings.Join(f.Values, ","))
	}
	return strings.Join(words, " ")
}

func TestPlans(t *testing.T) {
	for name, c := range map[string]struct {
		selectors []string
		want      string
	}{
		"nobody":                    {nil, ""},
		"one that selects nothing":  {[]string{""}, ""},
		"ids":                       {[]string{"i-2 i-1", "i-1 i-3 vpc-id=a"}, "i-1 i-2 i-3"},
		"a tag":                     {[]string{"tag:app=web"}, "list tag:app=web"},
		"a tag with several values": {[]string{"tag:app=web", "tag:app=db,web"}, "list tag:app=db,web"},
		"different tags":            {[]string{"tag:app=web", "tag:role=db"}, "list"},
		"a tag and something else":  {[]string{"tag:app=web vpc-id=a", "tag:app=db"}, "list tag:app=db,web"},
		"two in common":             {[]string{"tag:app=web,db vpc-id=a", "vpc-id=a tag:app=web"}, "list vpc-id=a tag:app=db,web"},
		"one that does not narrow":  {[]string{"architecture=arm64"}, "list"},
		"an empty value":            {[]string{"tag:app="}, "list"},
		"ids besides":               {[]string{"i-2 i-1", "tag:app=web"}, "i-1 i-2 list tag:app=web"},
		"ids that are listed":       {[]string{"i-1 tag:app=web", "tag:app=web"}, "list tag:app=web"},
		"ids besides everything":    {[]string{"i-1", "tenancy=host"}, "list"},
		"nothing besides":           {[]string{"", "tag:app=web"}, "list tag:app=web"},
	} {
		var selectors []*Selector
		for _, text := range c.selectors {
			s := selects(text)
			selectors = append(selectors, &s)
		}
		p := newPlan(selectors, false)
		if got := p.String(); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func ids(n int) (s Selector) {
	for i := range n {
		s.IDs = append(s.IDs, fmt.Sprintf("i-%08x", i))
	}
	return s
}

func TestManyIDs(t *testing.T) {
	many := ids(450)
	p := newPlan([]*Selector{&many}, false)
	if got := p.requests(); len(got) != 3 || len(got[2][0].Values) != 50 {
		t.Errorf("got %d requests", len(got))
	}
	tag := selects("tag:app=web")
	if p = newPlan([]*Selector{&many, &tag}, false); len(p.requests()) != 4 || p.filters[0].Name != "tag:app" {
		t.Errorf("got %s", &p)
	}
	whole := ids(maxByID + 1)
	if p = newPlan([]*Selector{&whole, &tag}, false); p.String() != "list" {
		t.Errorf("got %s", &p)
	}
	tagged := Selector{many.IDs, tag.Filters}
	if p = newPlan([]*Selector{&tagged, &tag}, false); p.String() != "list tag:app=web" {
		t.Errorf("got %s", &p)
	}
}

func selectorsGen() *rapid.Generator[[]Selector] {
	one := rapid.Custom(func(t *rapid.T) (s Selector) {
		s.IDs = rapid.SliceOfN(rapid.SampledFrom([]string{"i-0", "i-1", "i-2", "i-3"}), 0, 2).Draw(t, "ids")
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"tag:a", "tag:b", "vpc-id", "tag-key", "tenancy"}), 0, 3).Draw(t, "names") {
			s.Filters = append(s.Filters, Filter{name, rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*", "", "?"}), 1, 2).Draw(t, "values")})
		}
		return s
	})
	return rapid.SliceOfN(one, 0, 4)
}

func instanceGen() *rapid.Generator[Instance] {
	values := rapid.SampledFrom([]string{"", "a", "b", "ab"})
	return rapid.Custom(func(t *rapid.T) Instance {
		return Instance{
			ID:    rapid.SampledFrom([]string{"i-0", "i-1", "i-2", "i-3"}).Draw(t, "id"),
			Tags:  rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), values, 0, 2).Draw(t, "tags"),
			VPCID: values.Draw(t, "vpc"), Tenancy: values.Draw(t, "tenancy"), State: Running,
		}
	})
}

// TestPlansListWhatIsSelected: what a selector selects, a request returns, and what
// covers says is so.
func TestPlansListWhatIsSelected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		selectors := selectorsGen().Draw(t, "selectors")
		var asked []*Selector
		for n := range selectors {
			asked = append(asked, &selectors[n])
		}
		p := newPlan(asked, rapid.Bool().Draw(t, "wide"))
		i := instanceGen().Draw(t, "instance")
		listed := false
		for _, filters := range p.requests() {
			listed = listed || accepted(filters, &i)
		}
		others := selectorsGen().Draw(t, "others")
		for n := range others {
			if p.covers(&others[n]) && others[n].Matches(&i) && !listed {
				t.Errorf("%s does not list %+v", &p, i)
			}
		}
		for _, s := range asked {
			if !p.covers(s) {
				t.Errorf("%s does not cover %+v", &p, s)
			}
		}
	})
}

// accepted says whether AWS returns an instance.
func accepted(filters []Filter, i *Instance) bool {
	for _, f := range filters {
		if f.Name == "instance-id" {
			if !f.accepts(i.ID) {
				return false
			}
		} else if !f.matches(i) {
			return false
		}
	}
	return true
}
