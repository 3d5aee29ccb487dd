// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"time"
)

// Identity says with which credentials AWS is asked. Two that are equal in all
// fields are the same.
type Identity struct {
	// Role to assume; nil: none.
	Role *Role
	// AccessKey is used instead of the operator's own credentials, if it is set.
	AccessKey *AccessKey
	// Unusable says that there are no credentials, though there should be: nothing
	// is asked then.
	Unusable bool
	// InstanceStatus and AutoScaling have these asked for.
	InstanceStatus, AutoScaling bool
	// Queues are the URLs of SQS queues with events, with their regions.
	Queues []Queue
	// Region is where it is asked who the credentials belong to; empty: in the first
	// region that somebody wants to have listed.
	Region string
}

// Role is an IAM role to assume.
type Role struct {
	ARN, ExternalID string
	SessionTags     map[string]string
}

// AccessKey is a static access key. It never says its secret.
type AccessKey struct{ ID, Secret, SessionToken string }

// String hides the secret.
func (AccessKey) String() string { return "AccessKey(hidden)" }

// GoString hides the secret.
func (k AccessKey) GoString() string { return k.String() }

// Queue is an SQS queue.
type Queue struct{ URL, Region string }

// Caller is who the credentials of an identity belong to.
type Caller struct{ AccountID, ARN string }

// Connector makes connections. It does not wait for AWS.
type Connector interface {
	Connect(identity Identity, region string) API
}

// API is AWS, with the credentials of one identity, in one region. Every call is
// one request and its repetitions, bounded in number and time; every error is a
// *Failure, unless ctx is done. It limits its own rate, by waiting.
type API interface {
	// Instances lists a page of instances (ec2:DescribeInstances). Exactly one of
	// filters and ids is used: a request by ids has no token and fails as a whole if
	// one of them does not exist, with Code InvalidInstanceID.NotFound. next is empty
	// after the last page.
	Instances(ctx context.Context, request InstancesRequest) (page []Instance, next string, err error)
	// InterfaceTags lists a page of the tags of the attached network interfaces that
	// have one of up to MaxFilterValues keys (ec2:DescribeNetworkInterfaces), by the interface's id.
	InterfaceTags(ctx context.Context, keys []string, token string) (page map[string]map[string]string, next string, err error)
	// Statuses lists a page of the instances whose status is impaired or that have
	// scheduled events (ec2:DescribeInstanceStatus), among them maybe others. It is
	// called for each Problem.
	Statuses(ctx context.Context, problem Problem, token string) (page []Status, next string, err error)
	// Lifecycles returns the states of up to 50 instances in their Auto Scaling
	// groups (autoscaling:DescribeAutoScalingInstances), by id.
	Lifecycles(ctx context.Context, ids []string) (map[string]string, error)
	// Caller returns who the credentials belong to (sts:GetCallerIdentity, which
	// needs no permission).
	Caller(ctx context.Context) (Caller, error)
	// Receive waits for messages in a queue of this region (sqs:ReceiveMessage), up
	// to 20 seconds, and Delete deletes them (sqs:DeleteMessage).
	Receive(ctx context.Context, queue string) ([]Message, error)
	Delete(ctx context.Context, queue string, receipts []string) error
}

// InstancesRequest says which instances are listed: those that match the filters,
// all if there are none, or those with the ids.
type InstancesRequest struct {
	Filters []Filter
	IDs     []string
	Token   string
}

// Problem is something about the status of an instance that can be asked for.
type Problem string

// Problems: each is a filter of the EC2 API.
const (
	InstanceImpaired Problem = "instance-status.status"
	SystemImpaired   Problem = "system-status.status"
	EventScheduled   Problem = "event.code"
)

// Status is the status of an instance.
type Status struct {
	ID       string
	Impaired bool
	Events   []Event
}

// Message is a message of a queue.
type Message struct{ Body, Receipt string }

// Limits of requests.
const (
	// MaxFilterValues is how many values the filters of a request have.
	MaxFilterValues = 200
	// MaxLifecycles is how many ids API.Lifecycles takes.
	MaxLifecycles = 50
	// DefaultRefresh is the time between two listings.
	DefaultRefresh = 30 * time.Second
)
