// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"
	"strings"
)

// hardName denies the names that match a pattern.
type hardName struct{ pattern, why string }

// Patterns in addition to those of policies: "metadata.*" has every name whose
// first label is metadata. Names are the second line of defence: whatever a
// name resolves to is vetted as an address.
var hardNames = []hardName{
	{"localhost", "loopback (RFC 6761, 6.3)"},
	{"*.localhost", "loopback (RFC 6761, 6.3)"},
	{"localhost.*", "loopback"},
	{"svc", clusterName},
	{"*.svc", clusterName},
	{"cluster.local", clusterName},
	{"*.cluster.local", clusterName},
	// metadata.google.internal and metadata.goog, metadata.azure.internal,
	// metadata.tencentyun.com, metadata.platformequinix.com, and others.
	{"metadata", metadataService},
	{"metadata.*", metadataService},
	{"*.metadata.google.internal", metadataService},
	{"api.metadata.cloud.ibm.com", metadataService},
	// instance-data.ec2.internal and instance-data.REGION.compute.internal.
	{"instance-data", metadataService},
	{"instance-data.*", metadataService},
}

const clusterName = "a name of the cluster's own; reach what runs in the cluster by a Service with a selector"

// hardNamesFor adds the cluster's domain, if there is one.
func hardNamesFor(clusterDomain string) ([]hardName, error) {
	if clusterDomain == "" {
		return hardNames, nil
	}
	patterns, err := compilePatterns([]string{clusterDomain, "*." + clusterDomain})
	if err != nil {
		return nil, err
	}
	names := slices.Clip(hardNames)
	for _, pattern := range patterns {
		names = append(names, hardName{pattern, clusterName})
	}
	return names, nil
}

// Hostname returns a *DeniedError if the name must not be looked up: it is none
// (RFC 1123, 2.1, with underscores for the names of services), an IP address in
// whatever form C libraries and URL parsers read one, a name without a dot,
// which means something only in a search list, a hard-denied name, or one that
// the policies deny or do not grant. Case and one trailing dot make no
// difference. A non-ASCII name is no name; its ASCII form (RFC 5890) is.
func (s *Scope) Hostname(name string) error {
	if err := s.Alias(name); err != nil {
		return err
	}
	if s.open {
		return nil
	}
	canonical, _ := canonicalName(name)
	for _, g := range s.grants {
		if matchesAny(g.hostnames, canonical) {
			return nil
		}
	}
	return s.ungranted(DeniedError{Hostname: name})
}

// Alias returns a *DeniedError if a name must not be what another one leads to
// (CNAME): it is none, hard-denied, or denied by the policies. They need not grant
// it: they grant the names that somebody writes down, and all addresses that those
// lead to.
func (s *Scope) Alias(name string) error {
	canonical, why := canonicalName(name)
	if why == "" {
		why = s.base.hardDenied(canonical)
	}
	if why != "" {
		return &DeniedError{Hostname: name, Why: why, Layer: LayerHard}
	}
	for _, p := range s.policies {
		if matchesAny(p.denyHostnames, canonical) {
			return &DeniedError{Hostname: name, Why: p.denies(), Policy: p.name, Layer: LayerPolicy}
		}
	}
	return nil
}

func (b *base) hardDenied(name string) (why string) {
	for _, n := range b.names {
		if matches(n.pattern, name) {
			return n.why
		}
	}
	if !strings.Contains(name, ".") {
		return "a name without a dot depends on the search list; name the host in full"
	}
	return ""
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if matches(pattern, name) {
			return true
		}
	}
	return false
}

func matches(pattern, name string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(name, suffix)
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

const (
	maxName  = 253 // characters as written (RFC 1035, 2.3.4)
	maxLabel = 63
)

// canonicalName returns a name in lower case without a trailing dot, or why it
// is none.
func canonicalName(name string) (canonical, why string) {
	name = strings.TrimSuffix(name, ".")
	if len(name) > maxName {
		return "", "a host name has at most 253 characters"
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return "", "the parts of a host name between the dots have 1 to 63 characters"
		}
		for i := range len(label) {
			if !inName(label[i]) {
				return "", "a host name has only ASCII letters, digits, '-', '_' and '.'; write others in their ASCII form (xn--...), and addresses as addresses"
			}
		}
		last = label
	}
	if isNumber(last) {
		return "", "it reads as an IP address; write addresses as addresses"
	}
	return strings.ToLower(name), ""
}

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// isNumber says whether a label is a number in the eyes of inet_aton or of a
// URL parser: decimal, octal or hexadecimal. No top-level domain is one (RFC
// 3696, 2), and a name that ends in one may be read as an address.
func isNumber(label string) bool {
	digits := "0123456789"
	if len(label) >= 2 && label[0] == '0' && label[1]|0x20 == 'x' {
		label, digits = label[2:], "0123456789abcdefABCDEF"
	}
	return strings.Trim(label, digits) == ""
}
