// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func sliceAt(version, service string) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "payments-0", UID: "slice", ResourceVersion: version,
		Labels: map[string]string{discoveryv1.LabelServiceName: service},
	}}
}

// TestWrittenSlices plays the orders in which own writes, edits by others and
// the news of the cache can come.
func TestWrittenSlices(t *testing.T) {
	type step func(m *writtenSlices, now time.Time)
	wrote := func(version string) step {
		return func(m *writtenSlices, now time.Time) { m.wrote(sliceAt(version, "payments"), now) }
	}
	seen := func(version, service string) step {
		return func(m *writtenSlices, _ time.Time) { m.seen(sliceAt(version, service)) }
	}
	deleted := func(version, service string) step {
		return func(m *writtenSlices, now time.Time) { m.deleted(sliceAt(version, service), now) }
	}
	seenDeleted := func(version, service string) step {
		return func(m *writtenSlices, _ time.Time) { m.seenDeleted(sliceAt(version, service)) }
	}
	for name, tc := range map[string]struct {
		steps []step
		// cached is the version of the slice that the cache has at last.
		cached string
		after  time.Duration
		want   []string
	}{
		"nothing written, nothing cached":                        {},
		"the cache alone":                                        {cached: "7", want: []string{"7"}},
		"created, not in the cache yet":                          {steps: []step{wrote("7")}, want: []string{"7"}},
		"updated, the cache is behind":                           {steps: []step{wrote("10")}, cached: "9", want: []string{"10"}},
		"updated by somebody else since":                         {steps: []step{wrote("9")}, cached: "10", want: []string{"10"}},
		"deleted, still in the cache":                            {steps: []step{wrote("7"), deleted("7", "payments")}, cached: "7"},
		"deleted, then gone from the cache":                      {steps: []step{wrote("7"), deleted("7", "payments"), seenDeleted("7", "payments")}},
		"read from the cache just before it was gone from there": {steps: []step{deleted("7", "payments"), seenDeleted("7", "payments")}, cached: "7"},
		"seen, then deleted by somebody else":                    {steps: []step{wrote("7"), seen("7", "payments"), seenDeleted("7", "payments")}},
		"the answer after the news, deleted by somebody else":    {steps: []step{seen("7", "payments"), wrote("7"), seenDeleted("8", "payments")}},
		"the answer after the news, relabelled, deleted by us":   {steps: []step{wrote("7"), seen("8", "checkout"), deleted("8", "checkout")}},
		"relabelled, then deleted by somebody else":              {steps: []step{wrote("7"), seenDeleted("8", "checkout")}},
		"relabelled, deleted by us and not seen before":          {steps: []step{wrote("7"), deleted("8", "checkout")}},
		"a cache that never catches up is believed in the end":   {steps: []step{wrote("10")}, cached: "9", after: memoryLimit, want: []string{"9"}},
	} {
		t.Run(name, func(t *testing.T) {
			var m writtenSlices
			now := time.Unix(0, 0)
			for _, s := range tc.steps {
				s(&m, now)
			}
			found := map[string]*discoveryv1.EndpointSlice{}
			if tc.cached != "" {
				found["payments-0"] = sliceAt(tc.cached, "payments")
			}
			m.overlay(types.NamespacedName{Namespace: "shop", Name: "payments"}, found, now.Add(tc.after))
			var versions []string
			for _, slice := range slices.Collect(maps.Values(found)) {
				versions = append(versions, slice.ResourceVersion)
			}
			if !slices.Equal(versions, tc.want) {
				t.Errorf("the slices are %v, want %v", versions, tc.want)
			}
		})
	}
}

// TestOwnWritesAreNoNews tells own writes from those of others in what the
// cache reports.
func TestOwnWritesAreNoNews(t *testing.T) {
	var m writtenSlices
	m.wrote(sliceAt("10", "payments"), time.Unix(0, 0))
	for _, news := range []struct {
		version string
		own     bool
	}{{"9", true}, {"10", true}, {"10", false}, {"11", false}} {
		if own := m.seen(sliceAt(news.version, "payments")); own != news.own {
			t.Errorf("version %s taken for our own: %v, want %v", news.version, own, news.own)
		}
	}
}

// TestNewsDuringAWrite is judged by the answer.
func TestNewsDuringAWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		told   []string
		answer string
		err    error
		news   bool
	}{
		"nothing":                      {answer: "10"},
		"its own result":               {told: []string{"10"}, answer: "10"},
		"what it was based on":         {told: []string{"9", "10"}, answer: "10"},
		"its own result, then an edit": {told: []string{"10", "11"}, answer: "10", news: true},
		"nothing before it failed":     {answer: "9", err: errors.New("refused")},
		"an edit that was faster":      {told: []string{"10"}, answer: "9", err: errors.New("conflict"), news: true},
		"what may be its lost success": {told: []string{"10"}, answer: "9", err: errors.New("no answer"), news: true},
	} {
		t.Run(name, func(t *testing.T) {
			var m writtenSlices
			m.begin(sliceAt("9", "payments"))
			for _, version := range tt.told {
				if !m.seen(sliceAt(version, "payments")) {
					t.Errorf("version %s is told before it is known whose it is", version)
				}
			}
			if news := m.end(sliceAt(tt.answer, "payments"), tt.err); news != tt.news {
				t.Errorf("news: %t, want %t", news, tt.news)
			}
			if m.seen(sliceAt("12", "payments")) {
				t.Error("an edit after the write is no news")
			}
		})
	}
}
