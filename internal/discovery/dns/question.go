// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"fmt"
	"strings"

	wire "github.com/miekg/dns"
)

// Type is what a question asks for, as on the wire.
type Type uint16

// The types that can be asked for.
const (
	A    = Type(wire.TypeA)    // IPv4 addresses (RFC 1035)
	AAAA = Type(wire.TypeAAAA) // IPv6 addresses (RFC 3596)
	SRV  = Type(wire.TypeSRV)  // services (RFC 2782)
)

// String returns the name of the type, such as "AAAA".
func (t Type) String() string { return wire.Type(t).String() }

// Question is a name and what is asked about it. Questions that mean the same
// are equal if ParseQuestion made them.
type Question struct {
	// Name is absolute, in lower case and without the dot of the root.
	Name string
	Type Type
}

// ParseQuestion returns the question for a name in whatever case, with or
// without the dot of the root. The error tells what keeps the name from being
// asked for: a DNS message cannot carry it (RFC 1035, 2.3.4), or the
// type is none of ours. Whether a name may be asked for is for others to say.
func ParseQuestion(name string, t Type) (Question, error) {
	if t != A && t != AAAA && t != SRV {
		return Question{}, fmt.Errorf("type %s of %q cannot be asked for: use A, AAAA or SRV", t, name)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == '\\' {
			return Question{}, fmt.Errorf("%q is not a DNS name: it has the character %q", name, c)
		}
	}
	q := Question{Name: canonical(name), Type: t}
	if _, ok := wire.IsDomainName(q.Name); !ok || q.Name == "" || len(q.Name) > maxName {
		return Question{}, fmt.Errorf("%q is not a DNS name: it has at most %d characters, and 1 to 63 between its dots", name, maxName)
	}
	return q, nil
}

// maxName is the length of the longest name without the dot of the root.
const maxName = 253

// String returns the name and the type, such as "db.example AAAA".
func (q Question) String() string { return q.Name + " " + q.Type.String() }

// Service is one SRV record: a host and port that provide a service.
type Service struct {
	// Host is a name in the form of Question.Name. It may have any characters:
	// vet it before it is used.
	Host string
	// Port is at least 1.
	Port uint16
	// Priority is lowest for those that come first.
	Priority uint16
	// Weight is the share among those of the same priority.
	Weight uint16
}

// compareServices orders by who comes first, and totally.
func compareServices(a, b Service) int {
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), compareHosts(a, b), cmp.Compare(a.Weight, b.Weight))
}

// compareHosts tells services apart: a host and port is one of them, whatever its
// priority and weight are at the moment.
func compareHosts(a, b Service) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port))
}

// canonical turns the text of a name into the one form in which names are
// compared (RFC 4343).
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
