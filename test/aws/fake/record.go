// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"net/http"
	"net/url"
	"slices"
)

// Request is a request that was made.
type Request struct {
	// Service and operation, such as ec2 and DescribeInstances.
	Service, Operation string
	// Account, principal (an ARN) and key id of the credentials; empty if they are
	// not valid or there are none.
	Account, Principal, KeyID string
	Region                    string
	// Page of a listing, from 1.
	Page int
	// Params of services with a query protocol, Body of others.
	Params url.Values
	Body   string
	Header http.Header
	// Status and Code of the answer; 0 while there is none, and an empty Code if it
	// is no error.
	Status int
	Code   string

	id string
}

// Requests are the requests since the last ForgetRequests, in order: those for these
// operations, or all.
func (s *Server) Requests(operations ...string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Request
	for _, r := range s.requests {
		if len(operations) == 0 || slices.Contains(operations, r.Operation) {
			list = append(list, r)
		}
	}
	return list
}

// Count is how many requests there were, as Requests says.
func (s *Server) Count(operations ...string) int { return len(s.Requests(operations...)) }

// Counts is how many requests there were for each operation.
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for _, r := range s.requests {
		counts[r.Operation]++
	}
	return counts
}

// ForgetRequests begins a new record.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// record notes a request.
func (c *call) record(r *http.Request) {
	request := Request{
		Service: c.service, Operation: c.operation, Params: c.params, Page: c.page(),
		Header: r.Header.Clone(), id: c.id,
	}
	if c.params == nil {
		request.Body = string(c.body)
	}
	request.Account, request.Region = c.where()
	if c.by != nil {
		request.Principal, request.KeyID = c.by.arn, c.by.key.ID
	}
	c.server.requests = append(c.server.requests, request)
}

// conclude notes the answer to the request.
func (c *call) conclude(failed *failure) {
	for n, r := range slices.Backward(c.server.requests) {
		if r.id != c.id {
			continue
		}
		c.server.requests[n].Status = http.StatusOK
		if failed != nil {
			c.server.requests[n].Status, c.server.requests[n].Code = failed.status, failed.code
		}
		return
	}
}

// where says which account asks, and in which region.
func (c *call) where() (account, region string) {
	if c.by != nil {
		account = c.by.account.id
	}
	if c.region != nil {
		region = c.region.name
	}
	return account, region
}
