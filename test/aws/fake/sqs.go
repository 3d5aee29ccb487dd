// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Queue is an SQS queue. A message that was received stays unseen until Redeliver.
type Queue struct {
	region   *Region
	name     string
	messages []*message
	arrived  chan struct{} // closed when there is more
	deleted  int
}

type message struct {
	id, body, receipt string
	inFlight          bool
}

// Queue returns the queue of this name, which exists from then on.
func (r *Region) Queue(name string) *Queue {
	r.account.server.mu.Lock()
	defer r.account.server.mu.Unlock()
	q := r.queues[name]
	if q == nil {
		q = &Queue{region: r, name: name, arrived: make(chan struct{})}
		r.queues[name] = q
	}
	return q
}

// URL is what the queue is known by. Its host is that of AWS.
func (q *Queue) URL() string {
	return "https://sqs." + q.region.name + ".amazonaws.com/" + q.region.account.id + "/" + q.name
}

// Drop deletes the queue.
func (q *Queue) Drop() {
	q.region.account.server.mu.Lock()
	defer q.region.account.server.mu.Unlock()
	delete(q.region.queues, q.name)
	q.wake()
}

// Send puts messages into the queue.
func (q *Queue) Send(bodies ...string) {
	s := q.region.account.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range bodies {
		q.messages = append(q.messages, &message{id: fmt.Sprintf("message-%d", s.next()), body: body})
	}
	q.wake()
}

// Redeliver has messages seen again that were received and not deleted.
func (q *Queue) Redeliver() {
	q.region.account.server.mu.Lock()
	defer q.region.account.server.mu.Unlock()
	for _, m := range q.messages {
		m.inFlight = false
	}
	q.wake()
}

// Len is how many messages there are, received or not, that were not deleted.
func (q *Queue) Len() int {
	q.region.account.server.mu.Lock()
	defer q.region.account.server.mu.Unlock()
	return len(q.messages)
}

// Deleted is how many messages were deleted.
func (q *Queue) Deleted() int {
	q.region.account.server.mu.Lock()
	defer q.region.account.server.mu.Unlock()
	return q.deleted
}

func (q *Queue) wake() {
	close(q.arrived)
	q.arrived = make(chan struct{})
}

// take receives up to so many messages.
func (q *Queue) take(most int) []any {
	var taken []any
	for _, m := range q.messages {
		if m.inFlight || len(taken) == most {
			continue
		}
		m.inFlight, m.receipt = true, fmt.Sprintf("receipt-%d", q.region.account.server.next())
		sum := md5.Sum([]byte(m.body))
		taken = append(taken, map[string]string{
			"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:]),
		})
	}
	return taken
}

// remove deletes the message of a receipt. A receipt that was used is fine.
func (q *Queue) remove(receipt string) *failure {
	if !strings.HasPrefix(receipt, "receipt-") {
		return fail(400, "ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	before := len(q.messages)
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return m.receipt == receipt })
	q.deleted += before - len(q.messages)
	return nil
}

type queueRequest struct {
	QueueURL            string `json:"QueueUrl"`
	MaxNumberOfMessages int
	WaitTimeSeconds     int
	ReceiptHandle       string
	Entries             []struct {
		ID            string `json:"Id"`
		ReceiptHandle string
	}
}

// queue reads a request and finds the queue that it is about.
func (c *call) queue() (*Queue, queueRequest, *failure) {
	request := queueRequest{MaxNumberOfMessages: 1}
	if err := json.Unmarshal(c.body, &request); err != nil {
		return nil, request, fail(400, "SerializationException", err.Error())
	}
	parts := strings.Split(request.QueueURL, "/")
	const tail = 2
	if len(parts) < tail {
		return nil, request, fail(400, "InvalidAddress", "The address "+request.QueueURL+" is not valid for this endpoint.")
	}
	account, name := parts[len(parts)-tail], parts[len(parts)-1]
	if account != c.by.account.id {
		return nil, request, c.denied("arn:aws:sqs:" + c.region.name + ":" + account + ":" + name)
	}
	q := c.region.queues[name]
	if q == nil {
		return nil, request, fail(400, "QueueDoesNotExist", "The specified queue does not exist.")
	}
	return q, request, nil
}

// receiveMessage waits for messages as long as it is asked to.
func (c *call) receiveMessage() (any, *failure) {
	q, request, failed := c.queue()
	if failed != nil {
		return nil, failed
	}
	const most, longest = 10, 20
	if request.MaxNumberOfMessages < 1 || request.MaxNumberOfMessages > most {
		return nil, fail(400, "InvalidParameterValue", "MaxNumberOfMessages must be between 1 and 10.")
	}
	if request.WaitTimeSeconds < 0 || request.WaitTimeSeconds > longest {
		return nil, fail(400, "InvalidParameterValue", "WaitTimeSeconds must be between 0 and 20.")
	}
	until := time.After(time.Duration(request.WaitTimeSeconds) * time.Second)
	return func() (any, *failure) { return c.wait(q, request.MaxNumberOfMessages, until) }, nil
}

// wait waits for messages until then, without the lock.
func (c *call) wait(q *Queue, most int, until <-chan time.Time) (any, *failure) {
	for {
		taken, arrived, failed := c.take(q, most)
		if failed != nil {
			return nil, failed
		}
		if len(taken) > 0 {
			return map[string]any{"Messages": taken}, nil
		}
		select {
		case <-arrived:
		case <-until:
			return map[string]any{}, nil
		case <-c.gone.Done():
			return map[string]any{}, nil
		case <-c.server.done:
			return map[string]any{}, nil
		}
	}
}

// take receives what there is; arrived is closed when there is more. Whoever is
// gone gets nothing, since it would be lost to others.
func (c *call) take(q *Queue, most int) (taken []any, arrived <-chan struct{}, failed *failure) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.region.queues[q.name] != q {
		return nil, nil, fail(400, "QueueDoesNotExist", "The specified queue does not exist.")
	}
	if c.gone.Err() == nil {
		taken = q.take(most)
	}
	return taken, q.arrived, nil
}

func (c *call) deleteMessage() (any, *failure) {
	q, request, failed := c.queue()
	if failed == nil {
		failed = q.remove(request.ReceiptHandle)
	}
	return map[string]any{}, failed
}

func (c *call) deleteMessageBatch() (any, *failure) {
	q, request, failed := c.queue()
	if failed != nil {
		return nil, failed
	}
	const most = 10
	if len(request.Entries) == 0 {
		return nil, fail(400, "EmptyBatchRequest", "There should be at least one DeleteMessageBatchRequestEntry in the request.")
	}
	if len(request.Entries) > most {
		return nil, fail(400, "TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")
	}
	gone, kept := []any{}, []any{}
	for _, entry := range request.Entries {
		if failed := q.remove(entry.ReceiptHandle); failed != nil {
			kept = append(kept, map[string]any{"Id": entry.ID, "Code": failed.code, "Message": failed.message, "SenderFault": true})
			continue
		}
		gone = append(gone, map[string]string{"Id": entry.ID})
	}
	return map[string]any{"Successful": gone, "Failed": kept}, nil
}

func (c *call) getQueueAttributes() (any, *failure) {
	q, _, failed := c.queue()
	if failed != nil {
		return nil, failed
	}
	return map[string]any{"Attributes": map[string]string{
		"QueueArn":                    "arn:aws:sqs:" + q.region.name + ":" + q.region.account.id + ":" + q.name,
		"ApproximateNumberOfMessages": strconv.Itoa(len(q.messages)),
	}}, nil
}
