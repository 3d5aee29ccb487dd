// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/target"
)

// reasonUnconfirmed stands where an address was published as not ready before
// the operator (re)started and no check has failed since.
const reasonUnconfirmed = "AwaitingCheck"

// maxProblem bounds SourceStatus.problem, in bytes.
const maxProblem = 1024

func sources(facts Facts) []v1alpha1.SourceStatus {
	rows := make([]v1alpha1.SourceStatus, len(facts.Backend.Entries))
	index := make(map[string]int, len(rows))
	for i, entry := range facts.Backend.Entries {
		rows[i].Target = entry.Name
		index[entry.Name] = i
	}
	for _, t := range facts.Targets {
		rows[index[t.Entry]].Addresses++
	}
	for _, d := range facts.Draining {
		if i, ok := index[d.Entry]; ok { // the entry may have been removed
			rows[i].Addresses++
		}
	}
	problems := make([][]string, len(rows))
	note := func(entry, problem string) {
		i := index[entry]
		problems[i] = append(problems[i], problem)
	}
	for _, r := range facts.Rejected {
		note(r.Entry, r.Err.Error())
	}
	for _, l := range facts.Losses {
		note(l.Entry, lossText(facts, l))
	}
	for _, t := range facts.Excluded {
		note(t.Entry, excludedText(t))
	}
	for entry := range facts.Portless {
		note(entry, "no port of the Service leads to a port of this target: list one in spec.ports or in its ports")
	}
	for entry, source := range facts.Sources {
		if source.Problem != "" {
			note(entry, source.Problem)
		}
		if source.Dropped > 0 {
			note(entry, droppedText(source))
		}
		if !source.StaleSince.IsZero() {
			rows[index[entry]].StaleSince = &metav1.Time{Time: source.StaleSince.Truncate(time.Second)}
		}
	}
	for i := range rows {
		rows[i].Problem = bounded(cmp.Or(winnerText(facts), naming(problems[i])), maxProblem)
	}
	return rows
}

func droppedText(s Source) string {
	return fmt.Sprintf("%d %s of %s are more than are served", s.Dropped, s.Unit, s.Subject)
}

func lossText(facts Facts, l target.Loss) string {
	if l.Winner == facts.Backend.Owner && l.WinnerEntry == l.Entry {
		return fmt.Sprintf("%s is listed more than once in %q and served once", l.Addr, l.Entry)
	}
	if l.Winner == facts.Backend.Owner {
		return fmt.Sprintf("%s is also listed in %q and served from there", l.Addr, l.WinnerEntry)
	}
	return fmt.Sprintf("%s is served by the older ExternalBackend %q (target %q)", l.Addr, l.Winner.Name, l.WinnerEntry)
}

func excludedText(t target.Target) string {
	family := "IPv6"
	if t.Addr.Is4() {
		family = "IPv4"
	}
	return fmt.Sprintf("%s is not served: the Service has no %s", t.Addr, family)
}

// unhealthy lists what is out and should not be: because its checks fail, or
// because they cannot be carried out. Reason and time of an address that was listed before and
// about which nothing new is known are carried over.
func unhealthy(previous []v1alpha1.UnhealthyTarget, facts Facts) []v1alpha1.UnhealthyTarget {
	var rows []v1alpha1.UnhealthyTarget
	for i, t := range facts.Targets {
		h := &facts.Health[i]
		obstructed := h.Verdict == health.Unknown && h.Obstacle != ""
		if facts.Disabled[t.Entry] || h.Verdict != health.Unhealthy && !obstructed {
			continue
		}
		if len(rows) == maxUnhealthy {
			break
		}
		rows = append(rows, unhealthyRow(previous, t, h, facts))
	}
	return rows
}

func unhealthyRow(previous []v1alpha1.UnhealthyTarget, t target.Target, h *health.Status, facts Facts) v1alpha1.UnhealthyTarget {
	row := v1alpha1.UnhealthyTarget{
		Address: t.Addr.String(), Target: t.Entry, Reason: string(h.Reason), Since: metav1.NewTime(h.Since),
	}
	if h.Verdict == health.Unknown {
		row.Reason = string(h.Obstacle)
	} else {
		row.HTTPStatus = facts.code(t, h)
	}
	if i := slices.IndexFunc(previous, func(p v1alpha1.UnhealthyTarget) bool { return p.Address == row.Address }); i >= 0 {
		if row.Reason == "" {
			row.Reason = previous[i].Reason
			if facts.tellsCode(t) {
				row.HTTPStatus = previous[i].HTTPStatus
			}
		}
		if h.Since.IsZero() {
			row.Since = previous[i].Since
		}
	}
	if row.Reason == "" {
		row.Reason = reasonUnconfirmed
	}
	if row.Since.IsZero() {
		row.Since = metav1.NewTime(facts.Now)
	}
	// The API keeps whole seconds.
	row.Since = metav1.NewTime(row.Since.Truncate(time.Second))
	return row
}

// code is the HTTP status that an address failed with; 0 if there is none or it
// is not to be told.
func (f *Facts) code(t target.Target, h *health.Status) int32 {
	if h.Code == 0 || !f.tellsCode(t) {
		return 0
	}
	return int32(h.Code)
}

func (f *Facts) tellsCode(t target.Target) bool { return f.TellsCode != nil && f.TellsCode(t) }

func naming(items []string) string { return Few(items, "; ") }

// Few names the first five of many, with a separator between them.
func Few(items []string, separator string) string {
	if len(items) <= maxNamed {
		return strings.Join(items, separator)
	}
	return fmt.Sprintf("%s%sand %d more", strings.Join(items[:maxNamed], separator), separator, len(items)-maxNamed)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}

func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-3], "") + "..."
}
