// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// FQDN is a DNS name that addresses come from.
type FQDN struct {
	// Hostname is canonical: in lower case and without a dot at its end. Whether it
	// may be looked up is for the guard to say.
	Hostname string
	// Resolution is never empty.
	Resolution v1alpha1.FQDNResolution
	// MaxStale is how old the last answer may become; 0: any age.
	MaxStale time.Duration
	// Port is the name of the Service port that SRV records give the number of. It
	// is nil unless Resolution is SRV, and where the Service has no such port.
	Port *string
}

// Host returns the name that checks of the addresses of an entry ask for by
// default (Backend.ChecksOf): its hostname. It is "" for addresses that are listed,
// and for those of SRV records, which are asked for the name in their record.
func (e *Entry) Host() string {
	if e.FQDN == nil || isSRV(e) {
		return ""
	}
	return e.FQDN.Hostname
}

// Passthrough returns the entry whose name is to be published itself; nil if
// addresses are.
func (b *Backend) Passthrough() *Entry {
	for i := range b.Entries {
		if e := &b.Entries[i]; e.FQDN != nil && e.FQDN.Resolution == v1alpha1.ResolutionPassthrough {
			return e
		}
	}
	return nil
}

// passthroughProblem is that a name can be the endpoint of a headless Service only
// (rule 29).
func (b *Backend) passthroughProblem(svc *corev1.Service) *Problem {
	if b.Passthrough() == nil || svc == nil || IsHeadless(svc) {
		return nil
	}
	return &Problem{v1alpha1.ReasonServiceNotHeadless, fmt.Sprintf(
		"Service %q has a cluster IP, behind which no name works: make it a headless Service (clusterIP: None), or use resolution: Resolve", svc.Name)}
}

func (b *Backend) passthroughWarning(svc *corev1.Service) *Problem {
	if b.Passthrough() == nil {
		return nil
	}
	return &Problem{v1alpha1.ReasonPassthroughDeprecated, fmt.Sprintf(
		"Service %q is served with a name, in an EndpointSlice of type FQDN: Kubernetes has deprecated these, and kube-proxy and most other consumers ignore them: use resolution: Resolve unless yours is known to read them",
		svc.Name)}
}

func isSRV(e *Entry) bool {
	return e.FQDN != nil && e.FQDN.Resolution == v1alpha1.ResolutionSRV
}

// fqdnOf translates a name, one of so many targets. What the API server should
// have refused is an error that names the field.
func fqdnOf(t *v1alpha1.FQDNTarget, targets int) (*FQDN, error) {
	f := &FQDN{Resolution: t.Resolution}
	switch t.Resolution {
	case "":
		f.Resolution = v1alpha1.ResolutionResolve
	case v1alpha1.ResolutionResolve, v1alpha1.ResolutionSRV:
	case v1alpha1.ResolutionPassthrough:
		if targets > 1 {
			return nil, errors.New("fqdn.resolution: a target with Passthrough must be the only one: remove the others, or use Resolve")
		}
	default:
		return nil, fmt.Errorf("fqdn.resolution: %q is not Resolve, SRV or Passthrough", t.Resolution)
	}
	if t.Port != "" && f.Resolution != v1alpha1.ResolutionSRV {
		return nil, errors.New("fqdn.port: only SRV records give the number of a port: set resolution: SRV, or remove it")
	}
	if t.MaxStale != nil {
		if f.MaxStale = durationOr(*t.MaxStale, 0); f.MaxStale < time.Minute {
			return nil, fmt.Errorf("fqdn.maxStale: %q is not a duration of at least 1m", *t.MaxStale)
		}
	}
	var err error
	f.Hostname, err = hostnameOf(t.Hostname, f.Resolution == v1alpha1.ResolutionSRV)
	if err != nil {
		return nil, fmt.Errorf("fqdn.hostname: %q %w", t.Hostname, err)
	}
	return f, nil
}

const (
	maxHostname = 253 // characters, without the dot at its end (RFC 1035, 2.3.4)
	maxLabel    = 63
)

// hostnameOf returns the canonical form of a DNS name in full (RFC 1123, 2.1), of
// a service if it may be one (RFC 2782).
func hostnameOf(text string, service bool) (string, error) {
	name := strings.TrimSuffix(text, ".")
	if len(name) > maxHostname {
		return "", fmt.Errorf("has more than %d characters", maxHostname)
	}
	if !strings.Contains(name, ".") {
		return "", errors.New("is not a DNS name in full such as db.example.com, and no search list is used")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return "", errors.New("has parts that are not 1 to 63 letters, digits and '-', beginning and ending with a letter or digit")
		}
		last = strings.ToLower(label)
	}
	switch {
	case isNumber(last):
		return "", errors.New("reads as an IP address: list addresses with ip")
	case last == "localhost":
		return "", errors.New("is the machine of whoever asks: name another host")
	case !service && strings.Contains(name, "_"):
		return "", errors.New("has a '_', which only names of services have: set resolution: SRV, or correct the name")
	}
	return strings.ToLower(name), nil
}

// isLabel takes the '_' of services for a letter.
func isLabel(label string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	return label != "" && len(label) <= maxLabel && strings.Trim(label, letters) == "" &&
		label[0] != '-' && label[len(label)-1] != '-'
}

// isNumber says whether a label is a number in decimal, octal or hexadecimal, by
// which a name may be read as an address.
func isNumber(label string) bool {
	if hexadecimal, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hexadecimal, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// IsListed says whether the addresses of the entry are those that it lists, and not
// found out.
func (e *Entry) IsListed() bool { return e.FQDN == nil && e.EC2 == nil }
