// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

const (
	// callTimeout bounds a call with all of its attempts and the time between them.
	callTimeout = 30 * time.Second
	// receiveWait is how long a queue is asked to wait for messages, and
	// receiveTimeout bounds that call, which has one attempt.
	receiveWait    = 20 * time.Second
	receiveTimeout = receiveWait + 10*time.Second
	pageSize       = 1000
	// batch is how many messages are received or deleted at once.
	batch = 10
)

// operations are the calls that are made. They are all that the program has of the
// clients of the SDK.
type operations struct {
	instances  operation[awsec2.DescribeInstancesInput, awsec2.DescribeInstancesOutput, awsec2.Options]
	interfaces operation[awsec2.DescribeNetworkInterfacesInput, awsec2.DescribeNetworkInterfacesOutput, awsec2.Options]
	statuses   operation[awsec2.DescribeInstanceStatusInput, awsec2.DescribeInstanceStatusOutput, awsec2.Options]
	lifecycles operation[autoscaling.DescribeAutoScalingInstancesInput, autoscaling.DescribeAutoScalingInstancesOutput, autoscaling.Options]
	caller     operation[sts.GetCallerIdentityInput, sts.GetCallerIdentityOutput, sts.Options]
	receive    operation[sqs.ReceiveMessageInput, sqs.ReceiveMessageOutput, sqs.Options]
	remove     operation[sqs.DeleteMessageBatchInput, sqs.DeleteMessageBatchOutput, sqs.Options]
}

type operation[I, O, P any] = func(context.Context, *I, ...func(*P)) (*O, error)

func operationsOf(cfg aws.Config) *operations {
	ec2s, queues := awsec2.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	return &operations{
		instances:  ec2s.DescribeInstances,
		interfaces: ec2s.DescribeNetworkInterfaces,
		statuses:   ec2s.DescribeInstanceStatus,
		lifecycles: autoscaling.NewFromConfig(cfg).DescribeAutoScalingInstances,
		caller:     sts.NewFromConfig(cfg).GetCallerIdentity,
		receive:    queues.ReceiveMessage,
		remove:     queues.DeleteMessageBatch,
	}
}

// connection is a session in a region.
type connection struct {
	session *session
	region  string

	mu         sync.Mutex
	operations *operations
}

func (c *connection) ready(ctx context.Context) (*operations, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.operations == nil {
		cfg, err := c.session.config(ctx, c.region)
		if err != nil {
			return nil, err
		}
		c.operations = operationsOf(cfg)
	}
	return c.operations, nil
}

// call makes a call within a time. Its action is that of IAM.
func call[I, O, P any](
	ctx context.Context, c *connection, action string, timeout time.Duration,
	choose func(*operations) operation[I, O, P], in *I, options ...func(*P),
) (*O, error) {
	if err := c.usable(action); err != nil {
		return nil, err
	}
	var key string
	limited, cancel := context.WithTimeout(context.WithValue(ctx, usedKey{}, &key), timeout)
	defer cancel()
	ready, err := c.ready(limited)
	var out *O
	if err == nil {
		out, err = choose(ready)(limited, in, options...)
	}
	if err == nil {
		c.session.trust.accept(c.region)
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	failure := failureOf(err, action, c.region)
	failure.Err = redact(err, c.session.secrets.list())
	c.conclude(ctx, failure, key)
	return nil, failure
}

// usable says why nothing can be asked at all.
func (c *connection) usable(action string) error {
	switch {
	case c.session.identity.Unusable:
		return &ec2.Failure{Kind: ec2.CredentialsUnavailable, Action: action, Err: errUnusable}
	case !validRegion(c.region):
		return &ec2.Failure{Kind: ec2.RegionUnknown, Action: action, Err: errRegion}
	}
	return nil
}

// Instances implements ec2.API.
func (c *connection) Instances(ctx context.Context, request ec2.InstancesRequest) ([]ec2.Instance, string, error) {
	in := &awsec2.DescribeInstancesInput{}
	if len(request.IDs) > 0 {
		in.InstanceIds = request.IDs
	} else {
		in.Filters = filters(request.Filters)
		in.MaxResults = aws.Int32(pageSize)
		in.NextToken = token(request.Token)
	}
	out, err := call(ctx, c, "ec2:DescribeInstances", callTimeout,
		func(o *operations) operation[awsec2.DescribeInstancesInput, awsec2.DescribeInstancesOutput, awsec2.Options] {
			return o.instances
		}, in)
	if err != nil {
		return nil, "", err
	}
	return instances(out.Reservations), aws.ToString(out.NextToken), nil
}

// InterfaceTags implements ec2.API.
func (c *connection) InterfaceTags(ctx context.Context, keys []string, next string) (map[string]map[string]string, string, error) {
	if len(keys) == 0 {
		return map[string]map[string]string{}, "", nil
	}
	in := &awsec2.DescribeNetworkInterfacesInput{
		Filters: filters([]ec2.Filter{
			{Name: "tag-key", Values: literal(keys)},
			{Name: "attachment.status", Values: []string{"attached"}},
		}),
		MaxResults: aws.Int32(pageSize),
		NextToken:  token(next),
	}
	out, err := call(ctx, c, "ec2:DescribeNetworkInterfaces", callTimeout,
		func(o *operations) operation[awsec2.DescribeNetworkInterfacesInput, awsec2.DescribeNetworkInterfacesOutput, awsec2.Options] {
			return o.interfaces
		}, in)
	if err != nil {
		return nil, "", err
	}
	page := map[string]map[string]string{}
	for _, eni := range out.NetworkInterfaces {
		if id := aws.ToString(eni.NetworkInterfaceId); id != "" {
			page[id] = tags(eni.TagSet)
		}
	}
	return page, aws.ToString(out.NextToken), nil
}

// Statuses implements ec2.API.
func (c *connection) Statuses(ctx context.Context, problem ec2.Problem, next string) ([]ec2.Status, string, error) {
	values := []string{"impaired"}
	if problem == ec2.EventScheduled {
		values = []string{"instance-reboot", "system-reboot", "system-maintenance", "instance-retirement", "instance-stop"}
	}
	in := &awsec2.DescribeInstanceStatusInput{
		Filters:             filters([]ec2.Filter{{Name: string(problem), Values: values}}),
		IncludeAllInstances: aws.Bool(false),
		MaxResults:          aws.Int32(pageSize),
		NextToken:           token(next),
	}
	out, err := call(ctx, c, "ec2:DescribeInstanceStatus", callTimeout,
		func(o *operations) operation[awsec2.DescribeInstanceStatusInput, awsec2.DescribeInstanceStatusOutput, awsec2.Options] {
			return o.statuses
		}, in)
	if err != nil {
		return nil, "", err
	}
	return statuses(out.InstanceStatuses), aws.ToString(out.NextToken), nil
}

// Lifecycles implements ec2.API.
func (c *connection) Lifecycles(ctx context.Context, ids []string) (map[string]string, error) {
	states := map[string]string{}
	if len(ids) == 0 { // AWS would list them all.
		return states, nil
	}
	in := &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: ids, MaxRecords: aws.Int32(ec2.MaxLifecycles)}
	out, err := call(ctx, c, "autoscaling:DescribeAutoScalingInstances", callTimeout,
		func(o *operations) operation[autoscaling.DescribeAutoScalingInstancesInput, autoscaling.DescribeAutoScalingInstancesOutput, autoscaling.Options] {
			return o.lifecycles
		}, in)
	if err != nil {
		return nil, err
	}
	for _, instance := range out.AutoScalingInstances {
		if id := aws.ToString(instance.InstanceId); id != "" {
			states[id] = aws.ToString(instance.LifecycleState)
		}
	}
	return states, nil
}

// Caller implements ec2.API.
func (c *connection) Caller(ctx context.Context) (ec2.Caller, error) {
	out, err := call(ctx, c, "sts:GetCallerIdentity", callTimeout,
		func(o *operations) operation[sts.GetCallerIdentityInput, sts.GetCallerIdentityOutput, sts.Options] {
			return o.caller
		}, &sts.GetCallerIdentityInput{})
	if err != nil {
		return ec2.Caller{}, err
	}
	return ec2.Caller{AccountID: aws.ToString(out.Account), ARN: aws.ToString(out.Arn)}, nil
}

// Receive implements ec2.API.
func (c *connection) Receive(ctx context.Context, queue string) ([]ec2.Message, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl:            &queue,
		MaxNumberOfMessages: batch,
		WaitTimeSeconds:     int32(receiveWait / time.Second),
	}
	out, err := call(ctx, c, "sqs:ReceiveMessage", receiveTimeout,
		func(o *operations) operation[sqs.ReceiveMessageInput, sqs.ReceiveMessageOutput, sqs.Options] {
			return o.receive
		}, in, func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return nil, err
	}
	var messages []ec2.Message
	for _, message := range out.Messages {
		messages = append(messages, ec2.Message{Body: aws.ToString(message.Body), Receipt: aws.ToString(message.ReceiptHandle)})
	}
	return messages, nil
}
