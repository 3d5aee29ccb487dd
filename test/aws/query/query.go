// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package query makes signed requests to AWS for tests, without the SDK.
package query

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"externalbackend.dev/operator/test/aws/sigv4"
)

var codes = regexp.MustCompile(`(?:<Code>|"__type": ?"(?:[a-zA-Z.]+#)?)([^<"]+)`)

// Client asks a server, with a key and in a region.
type Client struct {
	URL    string
	Key    sigv4.Key
	Region string
	HTTP   *http.Client
}

// versions of the query APIs.
var versions = map[string]string{
	"ec2": "2016-11-15", "sts": "2011-06-15", "iam": "2010-05-08", "autoscaling": "2011-01-01",
}

// Error is what the server says in place of an answer.
type Error struct {
	Service, Action string
	Status          int
	// Code of the error; empty if there is none.
	Code string
	Body string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("the answer to %[2]s:%[3]s is %[1]d: %[4]s", e.Status, e.Service, e.Action, e.Body)
}

// Query makes a request with a query protocol. Params are pairs of a name and a
// value. The answer is decoded into result, unless that is nil.
func (c *Client) Query(ctx context.Context, result any, service, action string, params ...string) error {
	form := url.Values{"Action": {action}, "Version": {versions[service]}}
	for n := 0; n+1 < len(params); n += 2 {
		form.Set(params[n], params[n+1])
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	body, err := c.send(ctx, service, action, header, []byte(form.Encode()))
	if err != nil || result == nil {
		return err
	}
	return xml.Unmarshal(body, result)
}

// SQS makes a request to SQS.
func (c *Client) SQS(ctx context.Context, result any, action string, request map[string]any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS." + action}}
	body, err := c.send(ctx, "sqs", action, header, text)
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(body, result)
}

func (c *Client) send(ctx context.Context, service, action string, header http.Header, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	sigv4.Sign(request, body, c.Key, service, c.Region, time.Now())
	answer, err := c.HTTP.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", service, action, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", service, action, err)
	}
	if answer.StatusCode != http.StatusOK {
		code := ""
		if found := codes.FindSubmatch(text); found != nil {
			code = string(found[1])
		}
		return nil, &Error{service, action, answer.StatusCode, code, string(text)}
	}
	return text, nil
}
