// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, test := range []struct {
		values []time.Duration
		share  float64
		want   time.Duration
	}{
		{hundred, 0.50, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{[]time.Duration{7}, 0.50, 7},
		{[]time.Duration{7}, 0.99, 7},
		{[]time.Duration{3, 1, 2}, 0.50, 2},
		{nil, 0.50, 0},
	} {
		if got := percentile(test.values, test.share); got != test.want {
			t.Errorf("percentile %v of %d values = %d, want %d", test.share, len(test.values), got, test.want)
		}
	}
}

func TestCPUTimeIsThatOfTheProcess(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for used := time.Duration(0); used < 20*time.Millisecond; {
		after, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after < before+used {
			t.Fatalf("the clock went back from %s to %s", before+used, after)
		}
		used = after - before
	}
	if _, err := cpuTime(1 << 22); err == nil { // beyond the greatest number of a process
		t.Error("a process that cannot be has a CPU clock")
	}
}

// slice has ready endpoints, and unready ones.
func slice(name string, ready, unready []string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for i, list := range [][]string{unready, ready} {
		for _, address := range list {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: new(i == 1)},
			})
		}
	}
	return s
}

func newSliceWatch() *sliceWatch {
	return &sliceWatch{slices: map[string]*discoveryv1.EndpointSlice{}, ready: map[string]bool{}, home: map[string]string{}}
}

func TestWatchNotesWhenEachAddressIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSliceWatch()
		w.handle(watch.Event{Type: watch.Added, Object: slice("a", []string{"1", "2"}, nil)}, 1)
		w.handle(watch.Event{Type: watch.Added, Object: slice("b", []string{"3"}, nil)}, 2)
		flipped := []string{"3", "1"}
		if got := w.touched(flipped); got != 2 {
			t.Errorf("%d slices have the addresses, want 2", got)
		}
		w.expect(flipped, false)
		w.handle(watch.Event{Type: watch.Modified, Object: slice("a", []string{"2"}, []string{"1"})}, 3)
		var times []moment
		var err error
		go func() { times, err = w.arrivals(t.Context(), flipped) }()
		synctest.Wait()
		if times != nil || err != nil {
			t.Fatalf("arrivals = %v, %v, though one address is not published yet", times, err)
		}
		w.handle(watch.Event{Type: watch.Modified, Object: slice("a", []string{"2"}, []string{"1"})}, 4) // no news
		w.handle(watch.Event{Type: watch.Modified, Object: slice("b", nil, []string{"3"})}, 5)
		synctest.Wait()
		if err != nil || !slices.Equal(times, []moment{5, 3}) {
			t.Errorf("arrivals = %v, %v; want 5 and 3", times, err)
		}
	})
}

func TestWatchFollowsAnAddressToAnotherSlice(t *testing.T) {
	w := newSliceWatch()
	w.handle(watch.Event{Type: watch.Added, Object: slice("a", []string{"1"}, nil)}, 1)
	w.handle(watch.Event{Type: watch.Added, Object: slice("b", []string{"1"}, nil)}, 2)
	w.handle(watch.Event{Type: watch.Deleted, Object: slice("a", []string{"1"}, nil)}, 3)
	if w.home["1"] != "b" || !w.ready["1"] {
		t.Errorf("the address is in %q, ready %t: want it in b, ready", w.home["1"], w.ready["1"])
	}
	w.handle(watch.Event{Type: watch.Modified, Object: slice("b", nil, nil)}, 4)
	if len(w.home) != 0 {
		t.Errorf("addresses that no slice has: %v", w.home)
	}
}

func TestWatchRefusesAFlipThatIsNone(t *testing.T) {
	w := newSliceWatch()
	w.handle(watch.Event{Type: watch.Added, Object: slice("a", nil, []string{"1"})}, 1)
	w.expect([]string{"1"}, false)
	if times, err := w.arrivals(t.Context(), []string{"1"}); err == nil {
		t.Errorf("arrivals = %v of an address that was unready before", times)
	}
}

func TestWatchTellsWhyItGaveUp(t *testing.T) {
	w := newSliceWatch()
	w.expect([]string{"1", "2"}, true)
	cause := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := w.arrivals(ctx, []string{"1", "2"}); !errors.Is(err, cause) {
		t.Errorf("error = %v, want that it was %v", err, cause)
	}
}

func TestChosenAddressesAreDifferentOnesAndNoSpares(t *testing.T) {
	for _, size := range []int{100, 1000, 10000} {
		all := addressBlock(1, size)
		spare := spares(all)
		others := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return slices.Contains(spare, a) })
		for _, count := range []int{1, 10, size / 10} {
			for turn := range 50 {
				list := chosen(others, count, turn)
				slices.Sort(list)
				if got := len(slices.Compact(list)); got != count {
					t.Fatalf("%d different addresses of %d, want %d", got, size, count)
				}
			}
		}
	}
}

func TestAuditLogCountsFinishedWritesByNamespace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	event := func(namespace, verb, stage string) string {
		return `{"stage":"` + stage + `","verb":"` + verb + `","objectRef":{"namespace":"` + namespace + `"}}` + "\n"
	}
	log := &auditLog{path: path}
	want := func(namespace, text string) {
		t.Helper()
		made, err := log.take(namespace)
		if err != nil || made.String() != text {
			t.Errorf("writes in %s = %s, %v; want %s", namespace, made, err, text)
		}
	}
	write(event("a", "update", "ResponseComplete") + event("b", "create", "ResponseComplete") + event("a", "update", "Panic"))
	half := event("a", "delete", "ResponseComplete")
	write(half[:20])
	want("a", "1 update")
	want("a", "none")
	write(half[20:] + event("a", "update", "ResponseComplete") + event("a", "update", "ResponseComplete"))
	want("a", "1 delete, 2 update")
	want("b", "1 create")
}
