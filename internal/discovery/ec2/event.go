// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"encoding/json"
	"strings"
	"time"
)

const (
	// maxBody is more than an event takes, which is at most 256 KiB.
	maxBody = 256 << 10
	// maxHinted is how many instances of an event are looked at.
	maxHinted = 1000
)

// event is what a message says: that something is about to happen, or has happened,
// to instances.
type event struct {
	region string
	ids    []string
	// interruption is true if AWS warns that it is going to reclaim them. at is when
	// the event happened; zero if it does not say.
	interruption bool
	at           time.Time
}

// envelope is an event of EventBridge.
type envelope struct {
	Source     string          `json:"source"`
	DetailType string          `json:"detail-type"`
	Region     string          `json:"region"`
	Time       time.Time       `json:"time"`
	Detail     json.RawMessage `json:"detail"`
}

// notification is a message of SNS, which may be around an event.
type notification struct {
	Type, Message string
}

// parseEvent reads a message; false if it is not about instances.
func parseEvent(body string) (event, bool) {
	if len(body) > maxBody {
		return event{}, false
	}
	var wrapped notification
	if json.Unmarshal([]byte(body), &wrapped) == nil && wrapped.Type == "Notification" {
		body = wrapped.Message
	}
	var e envelope
	if json.Unmarshal([]byte(body), &e) != nil || e.Region == "" {
		return event{}, false
	}
	hint := event{region: e.Region, at: e.Time, ids: e.instances()}
	if len(hint.ids) == 0 {
		return event{}, false
	}
	hint.interruption = e.Source == "aws.ec2" && e.DetailType == "EC2 Spot Instance Interruption Warning"
	return hint, true
}

// instances returns the ids of the instances that an event is about.
func (e *envelope) instances() (ids []string) {
	var detail struct {
		InstanceID       string `json:"instance-id"`
		GroupInstanceID  string `json:"EC2InstanceId"`
		AffectedEntities []struct {
			Value string `json:"entityValue"`
		} `json:"affectedEntities"`
	}
	if json.Unmarshal(e.Detail, &detail) != nil {
		return nil
	}
	add := func(id string) {
		if isInstanceID(id) && len(ids) < maxHinted {
			ids = append(ids, id)
		}
	}
	switch e.Source {
	case "aws.ec2":
		add(detail.InstanceID)
	case "aws.autoscaling":
		add(detail.GroupInstanceID)
	case "aws.health":
		for _, entity := range detail.AffectedEntities {
			add(entity.Value)
		}
	}
	return ids
}

// isInstanceID says whether a text looks like the id of an instance.
func isInstanceID(id string) bool {
	digits, ok := strings.CutPrefix(id, "i-")
	return ok && (len(digits) == 8 || len(digits) == 17) && strings.Trim(digits, "0123456789abcdef") == ""
}
