// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package moto

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"externalbackend.dev/operator/test/aws/sigv4"
)

// Client asks moto, with a key and in a region.
type Client struct {
	Key    sigv4.Key
	Region string
	server *Server
}

// versions of the query APIs.
var versions = map[string]string{
	"ec2": "2016-11-15", "sts": "2011-06-15", "iam": "2010-05-08", "autoscaling": "2011-01-01",
}

// Error is what moto says in place of an answer.
type Error struct {
	Service, Action string
	Status          int
	Body            string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("moto answers %d to %s:%s: %s", e.Status, e.Service, e.Action, e.Body)
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
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server.url+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	sigv4.Sign(request, body, c.Key, service, c.Region, time.Now())
	answer, err := c.server.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("moto: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("moto: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, &Error{service, action, answer.StatusCode, string(text)}
	}
	return text, nil
}

// Assume returns who has assumed a role. Of a role in another account, moto asks
// only while it enforces permissions whether it exists.
func (c *Client) Assume(ctx context.Context, arn string) (*Client, error) {
	var answer struct {
		ID     string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	err := c.Query(ctx, &answer, "sts", "AssumeRole", "RoleArn", arn, "RoleSessionName", "test")
	if err != nil {
		return nil, err
	}
	return c.server.Client(sigv4.Key(answer), c.Region), nil
}

// User makes a user who may do these actions and returns its key.
func (c *Client) User(ctx context.Context, name string, actions ...string) (sigv4.Key, error) {
	var answer struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := c.Query(ctx, nil, "iam", "CreateUser", "UserName", name); err != nil {
		return sigv4.Key{}, err
	}
	if len(actions) > 0 {
		policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"},
		}})
		if err != nil {
			return sigv4.Key{}, err
		}
		if err := c.Query(ctx, nil, "iam", "PutUserPolicy",
			"UserName", name, "PolicyName", "granted", "PolicyDocument", string(policy)); err != nil {
			return sigv4.Key{}, err
		}
	}
	err := c.Query(ctx, &answer, "iam", "CreateAccessKey", "UserName", name)
	return sigv4.Key{ID: answer.ID, Secret: answer.Secret}, err
}

// Role makes a role that everybody may assume, and returns its ARN.
func (c *Client) Role(ctx context.Context, name string) (string, error) {
	var answer struct {
		ARN string `xml:"CreateRoleResult>Role>Arn"`
	}
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
	err := c.Query(ctx, &answer, "iam", "CreateRole", "RoleName", name, "AssumeRolePolicyDocument", trust)
	return answer.ARN, err
}

// Queue makes a queue and returns its URL.
func (c *Client) Queue(ctx context.Context, name string) (string, error) {
	var answer struct {
		URL string `json:"QueueUrl"`
	}
	err := c.SQS(ctx, &answer, "CreateQueue", map[string]any{"QueueName": name})
	return answer.URL, err
}

// Send puts a message into a queue.
func (c *Client) Send(ctx context.Context, queue, body string) error {
	return c.SQS(ctx, nil, "SendMessage", map[string]any{"QueueUrl": queue, "MessageBody": body})
}
