// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
)

// Defaults that the CRD fills in, for objects that were stored without them.
const (
	defaultInterval           = 10 * time.Second
	defaultTimeout            = 3 * time.Second
	defaultEdgeInterval       = 2 * time.Second
	defaultHealthyThreshold   = 2
	defaultUnhealthyThreshold = 3
)

var defaultChecks = []v1alpha1.Check{{Name: "tcp", TCP: &v1alpha1.TCPCheck{}}}

// checks fills in what is to be checked, or the reason why that is impossible.
func (b *Backend) checks(eb *v1alpha1.ExternalBackend, minInterval time.Duration, published []discoveryv1.EndpointPort) {
	hc := &eb.Spec.HealthCheck
	b.Thresholds = health.Thresholds{Healthy: defaultHealthyThreshold, Unhealthy: defaultUnhealthyThreshold}
	if hc.HealthyThreshold > 0 {
		b.Thresholds.Healthy = int(hc.HealthyThreshold)
	}
	if hc.UnhealthyThreshold > 0 {
		b.Thresholds.Unhealthy = int(hc.UnhealthyThreshold)
	}
	var err error
	if b.Timing, err = timingOf(hc); err != nil {
		b.SpecProblem = invalid("spec.healthCheck.%s", err)
		return
	}
	specified := b.Timing
	b.Timing = specified.AtLeast(minInterval)
	b.Lengthened = b.Timing != specified
	b.specified = hc.Checks
	if len(b.specified) == 0 {
		b.specified = defaultChecks
	}
	b.made = make([]*health.Check, len(b.specified))
	sets := make([][]*health.Check, len(b.PortSets))
	for i, ports := range b.PortSets {
		list, problem := b.checksOn(candidatePorts(ports, published, eb))
		unpublished := b.Publishable && !b.Portless && len(ports) == 0
		if problem != nil && !(unpublished && problem.Reason == v1alpha1.ReasonCheckPortNotFound) {
			// Where nothing can be published, the Service is at fault and not the spec.
			if b.Publishable || problem.Reason != v1alpha1.ReasonCheckPortNotFound {
				b.SpecProblem = problem
			}
			return
		}
		sets[i] = list
	}
	b.Checks = sets
}

// checksOn returns the checks of addresses with these ports.
func (b *Backend) checksOn(ports []discoveryv1.EndpointPort) ([]*health.Check, *Problem) {
	list := make([]*health.Check, 0, len(b.specified))
	for i := range b.specified {
		if b.specified[i].None != nil {
			continue
		}
		port, problem := checkPort(ports, &b.specified[i])
		if problem != nil {
			return nil, problem
		}
		if b.made[i] == nil {
			check, err := b.checkOf(&b.specified[i], port)
			if err != nil {
				return nil, invalid("spec.healthCheck.checks["+b.specified[i].Name+"]: %s", err)
			}
			b.made[i] = check
		}
		list = append(list, b.made[i].OnPort(port))
	}
	return list, nil
}

func invalid(format string, err error) *Problem {
	return &Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(format, err)}
}

func timingOf(hc *v1alpha1.HealthCheck) (t health.Timing, err error) {
	parse := func(field string, value v1alpha1.Duration, absent time.Duration) time.Duration {
		if value == "" || err != nil {
			return absent
		}
		d, parseErr := time.ParseDuration(string(value))
		if parseErr != nil || d <= 0 {
			err = fmt.Errorf("%s: %q is not a positive duration such as 10s", field, value)
		}
		return d
	}
	optional := func(d *v1alpha1.Duration) v1alpha1.Duration {
		if d == nil {
			return ""
		}
		return *d
	}
	t.Interval = parse("interval", hc.Interval, defaultInterval)
	t.Timeout = parse("timeout", optional(hc.Timeout), min(defaultTimeout, t.Interval))
	t.EdgeInterval = max(min(parse("edgeInterval", hc.EdgeInterval, defaultEdgeInterval), t.Interval), t.Timeout)
	t.UnhealthyInterval = max(parse("unhealthyInterval", optional(hc.UnhealthyInterval), t.Interval), t.Timeout)
	return t, err
}

// checkPort finds the number of the port that a check goes to.
func checkPort(candidates []discoveryv1.EndpointPort, check *v1alpha1.Check) (uint16, *Problem) {
	if check.Port != nil && check.Port.Type == intstr.Int {
		if !validPort(check.Port.IntVal) {
			return 0, &Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf("check %q: port %d is not between 1 and 65535", check.Name, check.Port.IntVal)}
		}
		return uint16(check.Port.IntVal), nil
	}
	for _, p := range candidates {
		if *p.Protocol == corev1.ProtocolTCP && (check.Port == nil || *p.Name == check.Port.StrVal) {
			return uint16(*p.Port), nil
		}
	}
	if check.Port == nil {
		return 0, &Problem{v1alpha1.ReasonCheckPortNotFound, fmt.Sprintf(
			"check %q has no port and no TCP port is published that it could go to: set its port to a number, or use a check of kind none", check.Name)}
	}
	return 0, &Problem{v1alpha1.ReasonCheckPortNotFound, fmt.Sprintf(
		"check %q goes to port %q, which is not the name of a published TCP port: use the name of one, or a number", check.Name, check.Port.StrVal)}
}

// candidatePorts are the ports to publish, else those that are published still,
// else those of the spec.
func candidatePorts(ports, published []discoveryv1.EndpointPort, eb *v1alpha1.ExternalBackend) []discoveryv1.EndpointPort {
	if len(ports) > 0 {
		return ports
	}
	if len(published) > 0 && !slices.ContainsFunc(published, incomplete) {
		return published
	}
	list := make([]discoveryv1.EndpointPort, len(eb.Spec.Ports))
	for i, p := range eb.Spec.Ports {
		list[i] = discoveryv1.EndpointPort{Name: new(p.Name), Protocol: new(protocol(corev1.Protocol(p.Protocol))), Port: new(p.Port)}
	}
	return list
}

// incomplete finds ports that the operator does not write.
func incomplete(p discoveryv1.EndpointPort) bool {
	return p.Name == nil || p.Protocol == nil || p.Port == nil || !validPort(*p.Port)
}

func (b *Backend) checkOf(check *v1alpha1.Check, port uint16) (*health.Check, error) {
	definition := health.Check{Kind: health.TCP, Port: port, Timing: b.Timing}
	if h := check.HTTP; h != nil {
		definition.Kind = health.HTTP
		definition.HTTP = &health.HTTPCheck{Method: h.Method, Path: h.Path, Host: h.Hostname}
		for i := range h.Headers {
			definition.HTTP.Headers = append(definition.HTTP.Headers, b.header(&h.Headers[i]))
		}
		for _, text := range h.ExpectedStatuses {
			r, err := statusRange(string(text))
			if err != nil {
				return nil, err
			}
			definition.HTTP.ExpectedStatuses = append(definition.HTTP.ExpectedStatuses, r)
		}
		if body := h.ExpectedBody; body != nil {
			definition.HTTP.Body = &health.ExpectedBody{Contains: body.Contains, Matches: body.Matches}
		}
	}
	if t := check.TLS; t != nil {
		if t.CABundle != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.CABundle)) {
			return nil, errors.New("tls.caBundle: holds no certificate that can be read: paste the PEM text of the CA certificate")
		}
		definition.TLS = &health.TLSConfig{
			ServerName: t.ServerName, CABundle: t.CABundle, InsecureSkipVerify: t.InsecureSkipVerify,
		}
	}
	return health.NewCheck(definition)
}

// header of a check. Its Secret is of the namespace of the ExternalBackend, always.
func (b *Backend) header(h *v1alpha1.HTTPHeader) health.Header {
	header := health.Header{Name: h.Name}
	switch {
	case h.ValueFrom != nil && h.ValueFrom.SecretKeyRef != nil:
		ref := h.ValueFrom.SecretKeyRef
		header.From = health.SecretKey{Namespace: b.namespace, Secret: ref.Name, Key: ref.Key}
	case h.Value != nil:
		header.Value = *h.Value
	}
	return header
}

func statusRange(text string) (health.StatusRange, error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	from, err1 := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil {
		return health.StatusRange{}, fmt.Errorf("http.expectedStatuses: %q is neither a status nor a range such as 200-299", text)
	}
	return health.StatusRange{From: from, To: to}, nil
}
