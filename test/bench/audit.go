// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// auditPolicy has the API server log every finished write of an EndpointSlice.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete]
  resources: [{group: discovery.k8s.io, resources: [endpointslices]}]
- level: None
`

// writes are requests that wrote EndpointSlices, by verb: as the API server
// counts them, refused ones and such that change nothing among them.
type writes map[string]int

func (w writes) total() int {
	n := 0
	for _, count := range w {
		n += count
	}
	return n
}

// auditLog reads the API server's log of writes.
type auditLog struct {
	path   string
	offset int64
	counts map[string]writes // by namespace
}

// take returns the writes in a namespace since it was last asked for.
func (a *auditLog) take(namespace string) (writes, error) {
	if err := a.read(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	taken := a.counts[namespace]
	delete(a.counts, namespace)
	return taken, nil
}

func (a *auditLog) read() error {
	file, err := os.Open(a.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(a.offset, io.SeekStart); err != nil {
		return err
	}
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return nil // what is left is the beginning of a line
		}
		if err != nil {
			return err
		}
		a.offset += int64(len(line))
		if err := a.count(line); err != nil {
			return err
		}
	}
}

func (a *auditLog) count(line []byte) error {
	var event struct {
		Verb      string                     `json:"verb"`
		Stage     string                     `json:"stage"`
		ObjectRef struct{ Namespace string } `json:"objectRef"`
	}
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&event); err != nil {
		return err
	}
	if event.Stage != "ResponseComplete" {
		return nil
	}
	if a.counts == nil {
		a.counts = map[string]writes{}
	}
	if a.counts[event.ObjectRef.Namespace] == nil {
		a.counts[event.ObjectRef.Namespace] = writes{}
	}
	a.counts[event.ObjectRef.Namespace][event.Verb]++
	return nil
}
