// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/time/rate"
)

const (
	// callRate is how many requests a second are made of one kind in one region with
	// one identity, after the first callBurst. AWS allows an account more than twice
	// as many, which it shares with everything else there.
	callRate  = rate.Limit(2)
	callBurst = 10
	// attemptTimeout bounds one attempt, but for those that wait on purpose.
	attemptTimeout = 15 * time.Second
	// maxBody bounds what is read of one answer, in bytes. A page of 1,000 instances
	// has about 10 MB.
	maxBody = 64 << 20
)

type observer = func(service, operation, outcome string, took time.Duration)

// limits are the rates of the kinds of requests.
type limits struct {
	mu     sync.Mutex
	byKind map[string]*rate.Limiter
}

func newLimits() *limits { return &limits{byKind: map[string]*rate.Limiter{}} }

func (l *limits) wait(ctx context.Context, kind string) error {
	l.mu.Lock()
	limiter := l.byKind[kind]
	if limiter == nil {
		limiter = rate.NewLimiter(callRate, callBurst)
		l.byKind[kind] = limiter
	}
	l.mu.Unlock()
	if err := limiter.Wait(ctx); err != nil {
		return &limitError{err}
	}
	return nil
}

// limitError says that a request did not get its turn.
type limitError struct{ err error }

func (e *limitError) Error() string { return "its turn does not come in time: " + e.err.Error() }

// RetryableError is for the SDK.
func (*limitError) RetryableError() bool { return false }

// slowError says that an attempt took too long. It hides the error that it comes
// from, which the SDK would take for the end of the whole call.
type slowError struct{ service string }

func (e *slowError) Error() string {
	return fmt.Sprintf("%s has not answered within %s", e.service, attemptTimeout)
}

// RetryableError is for the SDK.
func (*slowError) RetryableError() bool { return true }

// observed are the operations of AWS. All others get credentials from the own
// machine, in the middle of one of these, of which they have the context.
var observed = map[string]bool{
	"AssumeRole":                   true,
	"AssumeRoleWithWebIdentity":    true,
	"DeleteMessageBatch":           true,
	"DescribeAutoScalingInstances": true,
	"DescribeInstanceStatus":       true,
	"DescribeInstances":            true,
	"DescribeNetworkInterfaces":    true,
	"GetCallerIdentity":            true,
	"ReceiveMessage":               true,
}

// attempts makes the SDK keep to limits and observe each attempt, and look at the
// answers.
func attempts(limits *limits, observe observer) func(*middleware.Stack) error {
	around := middleware.FinalizeMiddlewareFunc("Attempt", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
		middleware.FinalizeOutput, middleware.Metadata, error,
	) {
		service, operation := serviceOf(awsmiddleware.GetServiceID(ctx)), awsmiddleware.GetOperationName(ctx)
		region := awsmiddleware.GetRegion(ctx)
		if err := limits.wait(ctx, region+"/"+service+":"+operation); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
		attempt, cancel := ctx, context.CancelFunc(func() {})
		if operation != "ReceiveMessage" {
			attempt, cancel = context.WithTimeout(ctx, attemptTimeout)
		}
		defer cancel()
		start := time.Now()
		out, metadata, err := next.HandleFinalize(attempt, in)
		if err != nil && attempt.Err() != nil && ctx.Err() == nil {
			err = &slowError{service}
		}
		observe(service, operation, outcome(err, region), time.Since(start))
		return out, metadata, err
	})
	return func(stack *middleware.Stack) error {
		if err := stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Bound", bound(maxBody)), middleware.After); err != nil {
			return err
		}
		if !observed[stack.ID()] {
			return nil
		}
		if err := stack.Deserialize.Insert(middleware.DeserializeMiddlewareFunc("Answer", answer), "Bound", middleware.Before); err != nil {
			return err
		}
		// Each attempt gets there with credentials.
		return stack.Finalize.Insert(around, "Signing", middleware.Before)
	}
}

type deserialize = func(context.Context, middleware.DeserializeInput, middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
)

// bound bounds the body of an answer, in bytes.
func bound(limit int64) deserialize {
	return func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if response, ok := out.RawResponse.(*smithyhttp.Response); ok && response.Body != nil {
			response.Body = http.MaxBytesReader(nil, response.Body, limit)
		}
		return out, metadata, err
	}
}

// answer finds out whether the body is an answer to the request at all. The SDK
// would take an empty one, or another document, for an answer that says that there
// is nothing.
func answer(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || response.StatusCode < 200 || response.StatusCode > 299 {
		return out, metadata, err
	}
	operation := awsmiddleware.GetOperationName(ctx)
	start := "<" + operation + "Response"
	if serviceOf(awsmiddleware.GetServiceID(ctx)) == "sqs" {
		start = "{"
	}
	reader := bufio.NewReaderSize(response.Body, 1024)
	head, err := reader.Peek(1024)
	if err != nil && !errors.Is(err, io.EOF) {
		return out, metadata, &smithy.DeserializationError{Err: err}
	}
	if !bytes.Contains(head, []byte(start)) {
		return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("the body is no answer to %s", operation)}
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{reader, response.Body}
	return out, metadata, nil
}

// serviceOf returns the name of a service in IAM actions by its id in the SDK.
func serviceOf(id string) string {
	return strings.ToLower(strings.ReplaceAll(id, " ", ""))
}
