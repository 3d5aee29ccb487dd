// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Command coredns is CoreDNS with the few plugins that serve a cluster's names and a zone,
// at a third of the build time of the full one. It serves development and
// tests only.
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"     // log what cannot be answered
	_ "github.com/coredns/coredns/plugin/file"       // a zone of names outside
	_ "github.com/coredns/coredns/plugin/kubernetes" // Services and EndpointSlices
	_ "github.com/coredns/coredns/plugin/ready"      // tell when these are known
	_ "github.com/coredns/coredns/plugin/template"   // deny that other names exist
)

func main() { coremain.Run() }
