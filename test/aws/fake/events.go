// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"encoding/json"
	"fmt"
	"time"
)

// SpotInterruption is the event that a spot instance is reclaimed in two minutes.
func (r *Region) SpotInterruption(id string) string {
	return r.event("aws.ec2", "EC2 Spot Instance Interruption Warning", id,
		map[string]any{"instance-id": id, "instance-action": "terminate"})
}

// RebalanceRecommendation is the event that a spot instance may be reclaimed.
func (r *Region) RebalanceRecommendation(id string) string {
	return r.event("aws.ec2", "EC2 Instance Rebalance Recommendation", id, map[string]any{"instance-id": id})
}

// StateChange is the event that an instance has got into a state.
func (r *Region) StateChange(id, state string) string {
	return r.event("aws.ec2", "EC2 Instance State-change Notification", id,
		map[string]any{"instance-id": id, "state": state})
}

// TerminateAction is the event that a group is going to terminate an instance.
func (r *Region) TerminateAction(id, group string) string {
	return r.event("aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", id, map[string]any{
		"LifecycleActionToken": "87654321-4321-4321-4321-210987654321", "AutoScalingGroupName": group,
		"LifecycleHookName": "drain", "EC2InstanceId": id, "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
		"Origin": "AutoScalingGroup", "Destination": "EC2",
	})
}

// event is one as EventBridge puts it into a queue.
func (r *Region) event(source, kind, id string, detail map[string]any) string {
	s := r.account.server
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(must(json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("12345678-1234-1234-1234-%012d", s.next()),
		"detail-type": kind, "source": source, "account": r.account.id, "region": r.name,
		"time":      time.Now().UTC().Format(time.RFC3339),
		"resources": []string{"arn:aws:ec2:" + r.name + ":" + r.account.id + ":instance/" + id},
		"detail":    detail,
	})))
}
