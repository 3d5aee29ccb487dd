// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

// Delete implements ec2.API. All batches are tried; the first failure is returned.
func (c *connection) Delete(ctx context.Context, queue string, receipts []string) error {
	var failures []error
	for part := range slices.Chunk(receipts, batch) {
		if err := c.deleteBatch(ctx, queue, part); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		return failures[0]
	}
	return nil
}

func (c *connection) deleteBatch(ctx context.Context, queue string, receipts []string) error {
	const action = "sqs:DeleteMessage"
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &queue}
	for i, receipt := range receipts {
		in.Entries = append(in.Entries, sqstypes.DeleteMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &receipt,
		})
	}
	out, err := call(ctx, c, action, callTimeout,
		func(o *operations) operation[sqs.DeleteMessageBatchInput, sqs.DeleteMessageBatchOutput, sqs.Options] {
			return o.remove
		}, in)
	if err != nil || len(out.Failed) == 0 {
		return err
	}
	failed := out.Failed[0]
	kind := ec2.Unavailable
	if failed.SenderFault {
		kind = ec2.Refused
	}
	return &ec2.Failure{
		Kind: kind, Action: action, Code: aws.ToString(failed.Code),
		Err: redact(errors.New(aws.ToString(failed.Message)), c.session.secrets.list()),
	}
}
