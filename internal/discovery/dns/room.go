// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

// turnedAway is what is known about a question that found no room.
var turnedAway = &Snapshot{Outcome: TooManyQuestions}

// room is what a group has for questions.
type room[S comparable] struct {
	taken int
	// away are the questions that found none, by who asks them.
	away map[S]map[Question]struct{}
}

func (r *Resolver[S]) roomOf(group string) *room[S] {
	if r.rooms[group] == nil {
		r.rooms[group] = &room[S]{away: map[S]map[Question]struct{}{}}
	}
	return r.rooms[group]
}

// find says whether there is room for a question. If not, it is noted.
func (r *Resolver[S]) find(sub S, group string, q Question) bool {
	mine := r.roomOf(group)
	if e := r.asked[q]; mine.taken < r.opts.MaxQuestions || e != nil && e.groups[group] > 0 {
		return true
	}
	if mine.away[sub] == nil {
		mine.away[sub] = map[Question]struct{}{}
	}
	mine.away[sub][q] = struct{}{}
	return false
}

// giveBack has those try again who found no room.
func (r *Resolver[S]) giveBack(group string) {
	mine := r.roomOf(group)
	mine.taken--
	for sub := range mine.away {
		r.changed[sub] = struct{}{}
		poke(r.news)
	}
	r.tidy(group)
}

// forgetAway drops what a subscriber found no room for.
func (r *Resolver[S]) forgetAway(sub S, group string) {
	delete(r.roomOf(group).away, sub)
	r.tidy(group)
}

func (r *Resolver[S]) tidy(group string) {
	if mine := r.rooms[group]; mine.taken == 0 && len(mine.away) == 0 {
		delete(r.rooms, group)
	}
}
