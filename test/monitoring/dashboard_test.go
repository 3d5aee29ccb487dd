// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

type position struct{ X, Y, W, H int }

func (p position) overlaps(o position) bool {
	return p.X < o.X+o.W && o.X < p.X+p.W && p.Y < o.Y+o.H && o.Y < p.Y+p.H
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  position
	Datasource               *datasource
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []query
}

type datasource struct{ Type, UID string }

type query struct {
	RefID, Expr string
	Datasource  *datasource
}

type variable struct {
	Name, Type string
	Query      any
}

type board struct {
	Title, UID    string
	SchemaVersion int
	Panels        []panel
	Templating    struct{ List []variable }
}

func dashboard(t *testing.T) (b board) {
	t.Helper()
	if err := json.Unmarshal(read(t, root, "config", "grafana", "dashboard.json"), &b); err != nil {
		t.Fatal(err)
	}
	if b.Title == "" || b.UID == "" || b.SchemaVersion < 39 || len(b.Panels) == 0 {
		t.Fatalf("no dashboard: title %q, uid %q, schema %d, %d panels", b.Title, b.UID, b.SchemaVersion, len(b.Panels))
	}
	return b
}

// expressions are those of all panels and variables, by where they are, with values
// for what Grafana fills in.
func (b board) expressions() map[string]string {
	found := map[string]string{}
	values := regexp.MustCompile(`^label_values\((.*), *(\w+)\)$`)
	filled := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$name", ".*")
	for _, p := range b.Panels {
		for _, q := range p.Targets {
			found[fmt.Sprintf("%s, query %s", p.Title, q.RefID)] = filled.Replace(q.Expr)
		}
	}
	for _, v := range b.Templating.List {
		if v.Type != "query" {
			continue
		}
		text := fmt.Sprint(v.Query.(map[string]any)["query"])
		found["variable "+v.Name] = values.ReplaceAllString(filled.Replace(text), "sum by ($2) ($1)")
	}
	return found
}

func TestDashboardUsesMetricsThatExist(t *testing.T) {
	known, expressions := served(t), dashboard(t).expressions()
	for where, expr := range expressions {
		if strings.Contains(expr, "$") {
			t.Errorf("%s: a variable is left: %s", where, expr)
		}
		for _, fault := range known.faults(expr) {
			t.Errorf("%s: %s", where, fault)
		}
	}
	if len(expressions) < 30 {
		t.Errorf("only %d expressions", len(expressions))
	}
}

// TestEveryMetricOfTheOperatorIsShown: what is worth a metric is worth a look.
func TestEveryMetricOfTheOperatorIsShown(t *testing.T) {
	all := ""
	for _, expr := range dashboard(t).expressions() {
		all += " " + expr
	}
	for name := range served(t) {
		if strings.HasPrefix(name, "externalbackend_") && !regexp.MustCompile(`\b`+name+`(_bucket)?\b`).MatchString(all) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestPanelsExplainThemselves(t *testing.T) {
	ids := map[int]string{}
	panels := dashboard(t).Panels
	for i, p := range panels {
		if other, taken := ids[p.ID]; taken || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %q has the id %d, as has %q", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		if p.GridPos.W < 1 || p.GridPos.H < 1 || p.GridPos.X < 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: is at %+v, of 24 columns", p.Title, p.GridPos)
		}
		for _, other := range panels[:i] {
			if p.GridPos.overlaps(other.GridPos) {
				t.Errorf("%s lies upon %s", p.Title, other.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("%s: description %q, unit %q, %d queries", p.Title, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
		}
		chosen := datasource{"prometheus", "${datasource}"}
		if p.Datasource == nil || *p.Datasource != chosen {
			t.Errorf("%s: its data source is not the variable", p.Title)
		}
		for _, q := range p.Targets {
			if q.Datasource == nil || *q.Datasource != chosen {
				t.Errorf("%s: the data source of query %s is not the variable", p.Title, q.RefID)
			}
		}
	}
}
