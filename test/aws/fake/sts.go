// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	podIdentity     = "pod-identity"
	podIdentityPath = "/v1/credentials"
)

// PodIdentityURL is the endpoint of EKS Pod Identity, as for
// AWS_CONTAINER_CREDENTIALS_FULL_URI.
func (s *Server) PodIdentityURL() string { return s.URL() + podIdentityPath }

func (c *call) getCallerIdentity() (any, *failure) {
	return fragment{leaf("Arn", c.by.arn), leaf("UserId", c.by.unique), leaf("Account", c.by.account.id)}, nil
}

func (c *call) assumeRole() (any, *failure) {
	arn := c.params.Get("RoleArn")
	role := c.server.role(arn)
	refused := c.denied(arn)
	if role == nil || role.ExternalID != "" && role.ExternalID != c.params.Get("ExternalId") {
		return nil, refused
	}
	if len(role.Trusts) > 0 && !slices.Contains(role.Trusts, c.by.arn) {
		return nil, refused
	}
	tags := c.pairs("Tags.member")
	for key, value := range role.SessionTags {
		if tags[key] != value {
			return nil, fail(403, "AccessDenied",
				"User: "+c.by.arn+" is not authorized to perform: sts:TagSession on resource: "+arn)
		}
	}
	return c.handOut(role, tags, c.by.key.Token != "")
}

func (c *call) assumeRoleWithWebIdentity() (any, *failure) {
	arn := c.params.Get("RoleArn")
	role := c.server.role(arn)
	if role == nil || role.WebIdentity == "" {
		return nil, fail(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	if c.params.Get("WebIdentityToken") != role.WebIdentity {
		return nil, fail(400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
	}
	return c.handOut(role, nil, false)
}

// handOut makes keys for a role. Those of a chain last an hour at most.
func (c *call) handOut(role *Role, tags map[string]string, chained bool) (any, *failure) {
	name := c.params.Get("RoleSessionName")
	if name == "" {
		return nil, fail(400, "ValidationError", "Value at 'roleSessionName' failed to satisfy constraint: Member must not be null")
	}
	lifetime := time.Hour
	if text := c.params.Get("DurationSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		const shortest, longest = 900, 43200
		if err != nil || seconds < shortest || seconds > longest {
			return nil, fail(400, "ValidationError", "Value '"+text+"' at 'durationSeconds' failed to satisfy constraint")
		}
		lifetime = time.Duration(seconds) * time.Second
	}
	if chained && lifetime > time.Hour {
		return nil, fail(400, "ValidationError",
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	session := role.session(name, tags)
	return fragment{
		element("Credentials", leaf("AccessKeyId", session.key.ID), leaf("SecretAccessKey", session.key.Secret),
			leaf("SessionToken", session.key.Token), leaf("Expiration", stamp(time.Now().Add(lifetime)))),
		element("AssumedRoleUser", leaf("AssumedRoleId", session.unique), leaf("Arn", session.arn)),
	}, nil
}

// podCredentials answers as the agent of EKS Pod Identity does.
func (c *call) podCredentials() (any, *failure) {
	token := c.params.Get("Token")
	for _, account := range c.server.accounts {
		for _, role := range account.roles {
			if token == "" || role.PodIdentity != token {
				continue
			}
			session := role.session("eks-cluster-pod", nil)
			return map[string]string{
				"AccessKeyId": session.key.ID, "SecretAccessKey": session.key.Secret, "Token": session.key.Token,
				"AccountId": account.id, "Expiration": stamp(time.Now().Add(time.Hour)),
			}, nil
		}
	}
	return nil, fail(400, "InvalidTokenException", "The token is not valid.")
}

func (s *Server) role(arn string) *Role {
	parts := strings.Split(arn, ":")
	const account = 4
	if len(parts) <= account || s.accounts[parts[account]] == nil {
		return nil
	}
	return s.accounts[parts[account]].roles[arn]
}
