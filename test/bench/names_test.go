// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

func TestNamesAreSetUpWhenAllAreServedAndTheSilenceIsTold(t *testing.T) {
	for _, test := range []struct {
		name    string
		healthy int32
		stale   metav1.ConditionStatus
		want    bool
	}{
		{"nothing yet", 0, "", false},
		{"answered", 3, "", false},
		{"answered for in part", 2, metav1.ConditionTrue, false},
		{"answered again", 3, metav1.ConditionFalse, false},
		{"silenced", 3, metav1.ConditionTrue, true},
	} {
		fixed, served, tested := nameBackend("beside", 5), nameBackend("names-0", 4), nameBackend("names-1", 3)
		served.Status.Targets.Healthy, tested.Status.Targets.Healthy = 4, test.healthy
		if test.stale != "" {
			tested.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStale, Status: test.stale}}
		}
		for _, list := range [][]v1alpha1.ExternalBackend{{*fixed, *served, *tested}, {*tested, *served}} {
			if got := silenced(list); got != test.want {
				t.Errorf("%s: silenced = %t, want %t", test.name, got, test.want)
			}
		}
	}
}

func TestEveryNameIsAnotherOne(t *testing.T) {
	seen := map[string]bool{}
	for _, namespace := range []string{"names-0", "names-1", "names-10"} {
		for _, target := range nameBackend(namespace, namesEach).Spec.Targets {
			if seen[target.FQDN.Hostname] {
				t.Fatalf("%s is there twice", target.FQDN.Hostname)
			}
			seen[target.FQDN.Hostname] = true
		}
	}
}

func TestPollAsksUntilItIsSo(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name       string
		end        error
		after      int // the asks until it ends
		want       error
		wantedTime time.Duration
	}{
		{"at last", nil, 3, nil, 2 * time.Second},
		{"an error", broken, 2, broken, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, asked := time.Now(), 0
			err := poll(t.Context(), "it is not so", func(context.Context) (bool, error) {
				asked++
				if asked < test.after {
					return false, nil
				}
				return test.end == nil, test.end
			})
			if took := time.Since(began); !errors.Is(err, test.want) || took != test.wantedTime {
				t.Errorf("%s: error = %v after %s, want %v after %s", test.name, err, took, test.want, test.wantedTime)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		err := poll(t.Context(), "it is not so", func(context.Context) (bool, error) { return false, nil })
		if want := "after 5m0s it is not so"; err == nil || err.Error() != want {
			t.Errorf("error = %v, want %q", err, want)
		}
	})
}
