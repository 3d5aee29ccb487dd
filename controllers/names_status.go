// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/status"
)

// source says what is known of the name of the entry.
func (l *lookup) source() status.Source {
	n := status.Source{Subject: strconv.Quote(l.entry.FQDN.Hostname), Unit: "records", Answered: len(l.answers) > 0, Dropped: l.dropped}
	var problems []string
	for i := range l.answers {
		a := &l.answers[i]
		if l.p.isForeign(a) {
			continue
		}
		n.Answered = n.Answered && a.tells()
		if a.snapshot != nil {
			n.Dropped += a.snapshot.Dropped
		}
		reason, problem := problemOf(a)
		if slices.Index(leastTelling, reason) > slices.Index(leastTelling, n.Reason) {
			n.Reason = reason
		}
		if problem != "" && !slices.Contains(problems, problem) && (reason != v1alpha1.ReasonNoAddresses || len(l.found) == 0) {
			problems = append(problems, problem)
		}
		since := l.staleSince(a)
		if since.IsZero() || !l.matters(a) {
			continue
		}
		n.Expired = n.Expired || l.expired(a)
		if n.StaleSince.IsZero() || since.Before(n.StaleSince) {
			n.StaleSince = since
		}
	}
	n.Problem = strings.Join(append(problems, l.passedOver...), "; ")
	return n
}

// matters says whether something is published that a question brought or may have
// brought. What was stale before the operator started counts until anything of the
// name is answered for.
func (l *lookup) matters(a *answer) bool {
	if a.holds || a.snapshot != nil && len(a.snapshot.Addrs)+len(a.snapshot.Services) > 0 {
		return true
	}
	heard := slices.ContainsFunc(l.answers, func(a answer) bool { return a.definitive() })
	return !heard && !l.p.staleBefore(l.entry.Name).IsZero()
}

// leastTelling comes first of the reasons why a name yields nothing.
var leastTelling = []string{
	"", v1alpha1.ReasonNoAddresses, v1alpha1.ReasonNameNotFound, v1alpha1.ReasonNamesPending,
	v1alpha1.ReasonNameServerTimeout, v1alpha1.ReasonNameServerFailed, v1alpha1.ReasonTooManyNames,
}

// problemOf says why a question has no answer, or none that helps.
func problemOf(a *answer) (reason, problem string) {
	if a.snapshot == nil || a.snapshot.Outcome == 0 {
		return v1alpha1.ReasonNamesPending, ""
	}
	name := a.question.Name
	switch a.snapshot.Outcome {
	case dns.Answered:
		return "", ""
	case dns.Empty:
		return v1alpha1.ReasonNoAddresses, fmt.Sprintf("%q has no %s record", name, a.question.Type)
	case dns.NameError:
		return v1alpha1.ReasonNameNotFound, fmt.Sprintf("%q does not exist in the DNS (NXDOMAIN): correct the name, or create it", name)
	case dns.ServerFailure:
		return v1alpha1.ReasonNameServerFailed, fmt.Sprintf("the name servers cannot find out about %s (SERVFAIL)", a.question)
	case dns.Refused:
		return v1alpha1.ReasonNameServerFailed, fmt.Sprintf("the name servers refuse to answer for %s (REFUSED)", a.question)
	case dns.Malformed:
		return v1alpha1.ReasonNameServerFailed, fmt.Sprintf("the name servers send no usable answer for %s", a.question)
	case dns.TooManyQuestions:
		return v1alpha1.ReasonTooManyNames, fmt.Sprintf("%s is not asked: the ExternalBackends of the namespace ask all that they may (--dns-max-questions-per-namespace)", a.question)
	case dns.Unreachable:
		return v1alpha1.ReasonNameServerTimeout, fmt.Sprintf("no name server can be reached for %s", a.question)
	default:
		return v1alpha1.ReasonNameServerTimeout, fmt.Sprintf("the name servers do not answer for %s", a.question)
	}
}

// stale counts the entries that are served by old answers.
func (p *pass) stale() int {
	n := 0
	for _, name := range p.sources {
		if !name.StaleSince.IsZero() {
			n++
		}
	}
	return n
}
