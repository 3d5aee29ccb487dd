// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// maxRaces is how many passes in a row may find that somebody else was faster,
// before that is a failure like any other: who answers each write with a
// conflict is no competitor.
const maxRaces = 10

// races counts the passes over a Service that lost a race, in a row.
type races struct {
	mu   sync.Mutex
	lost map[types.NamespacedName]int
}

// judge makes failures of the races that a pass has lost, if it is one of too
// many.
func (r *races) judge(service types.NamespacedName, done *applied) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !done.stale {
		delete(r.lost, service)
		return
	}
	if r.lost == nil {
		r.lost = make(map[types.NamespacedName]int)
	}
	if r.lost[service]++; r.lost[service] < maxRaces {
		return
	}
	done.stale = false
	for owner, err := range done.failed {
		if apierrors.IsConflict(err) {
			// Of the conflict only the words are left: it is none that the next pass settles.
			done.failed[owner] = errors.New("every write is refused as if somebody else had been faster: " + err.Error())
		}
	}
}
