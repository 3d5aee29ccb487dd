// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"time"
)

const (
	// Bounds of the pause after a queue could not be read.
	queueRetry    = time.Second
	maxQueueRetry = time.Minute
	// queueGap is the least time between two requests to a queue without messages.
	queueGap = time.Second
)

const (
	receiveAction = "sqs:ReceiveMessage"
	deleteAction  = "sqs:DeleteMessage"
)

// queueReader takes events out of a queue.
type queueReader struct {
	account *account
	queue   Queue
	wake    chan struct{}
	// Only its worker uses these.
	retry time.Duration
	due   time.Time
}

// turn waits for messages once. Nobody waits for those of a region that nobody
// wants to have listed.
func (q *queueReader) turn(ctx context.Context) time.Duration {
	a := q.account
	clock := a.hub.clock
	at := Source{a.name, q.queue.Region}
	if a.hub.find(at) == nil {
		return forever
	}
	begun := clock.Now()
	if wait := q.due.Sub(begun); wait > 0 {
		return wait
	}
	api := a.api(q.queue.Region)
	messages, err := api.Receive(ctx, q.queue.URL)
	if err != nil {
		return q.failed(ctx, err, receiveAction)
	}
	if len(messages) == 0 {
		q.succeeded()
		return max(0, queueGap-clock.Since(begun))
	}
	s := a.hub.find(at) // it may have become another one meanwhile
	if s == nil {
		return forever // whoever asks for it next gets them again
	}
	receipts := make([]string, 0, len(messages))
	for _, message := range messages {
		receipts = append(receipts, message.Receipt)
		if e, ok := parseEvent(message.Body); ok && e.region == q.queue.Region {
			s.hear(&e)
		}
	}
	if err := api.Delete(ctx, q.queue.URL, receipts); err != nil {
		return q.failed(ctx, err, deleteAction)
	}
	q.succeeded()
	return 0
}

func (q *queueReader) succeeded() {
	q.retry, q.due = 0, time.Time{}
	q.account.noteQueue(q.queue, nil)
}

func (q *queueReader) failed(ctx context.Context, err error, action string) time.Duration {
	if ctx.Err() != nil {
		return forever
	}
	q.retry = min(max(2*q.retry, queueRetry), maxQueueRetry)
	q.due = q.account.hub.clock.Now().Add(q.retry)
	q.account.noteQueue(q.queue, failureOf(err, action))
	return q.retry
}
