// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package moto

import (
	"context"
	"encoding/json"

	"externalbackend.dev/operator/test/aws/query"
	"externalbackend.dev/operator/test/aws/sigv4"
)

// Client asks moto, with a key and in a region.
type Client struct {
	query.Client
	server *Server
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
