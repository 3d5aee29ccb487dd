// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
)

// Policy translates an ExternalBackendPolicy. If it cannot be understood, which
// admission prevents, the error says why, and the policy denies everything: what
// was meant to be denied must not pass.
func Policy(policy *v1alpha1.ExternalBackendPolicy) (guard.Policy, error) {
	p := guard.Policy{Name: policy.Name}
	var errs []error
	if allow := policy.Spec.Allow; allow != nil {
		p.Allow = &guard.Allow{
			CIDRs: prefixes(&errs, "allow", allow.CIDRs), Hostnames: hostnames(allow.Hostnames),
			Ports: portRanges(&errs, "allow", allow.Ports), MaxAddresses: int(allow.MaxAddresses),
			Checks: allowedChecks(&errs, &allow.Checks), EC2: instances(allow.EC2),
		}
	}
	if deny := policy.Spec.Deny; deny != nil {
		p.Deny = guard.Deny{
			CIDRs: prefixes(&errs, "deny", deny.CIDRs), Hostnames: hostnames(deny.Hostnames),
			Ports: portRanges(&errs, "deny", deny.Ports),
		}
	}
	if len(errs) == 0 {
		errs = append(errs, p.Validate())
	}
	if err := errors.Join(errs...); err != nil {
		return guard.DenyEverything(policy.Name), fmt.Errorf("ExternalBackendPolicy %s, which denies everything until it is corrected: %w", policy.Name, err)
	}
	return p, nil
}

func prefixes(errs *[]error, part string, list []v1alpha1.CIDR) []netip.Prefix {
	var parsed []netip.Prefix
	for _, text := range list {
		prefix, err := netip.ParsePrefix(string(text))
		if err != nil {
			*errs = append(*errs, fmt.Errorf("spec.%s.cidrs: %w", part, err))
		}
		parsed = append(parsed, prefix)
	}
	return parsed
}

func hostnames(list []v1alpha1.HostnamePattern) []string {
	var names []string
	for _, name := range list {
		names = append(names, string(name))
	}
	return names
}

func portRanges(errs *[]error, part string, list []v1alpha1.PortRange) []guard.PortRange {
	var parsed []guard.PortRange
	for _, text := range list {
		first, last, isRange := strings.Cut(string(text), "-")
		if !isRange {
			last = first
		}
		low, lowErr := strconv.ParseUint(first, 10, 16)
		high, highErr := strconv.ParseUint(last, 10, 16)
		if err := errors.Join(lowErr, highErr); err != nil {
			*errs = append(*errs, fmt.Errorf("spec.%s.ports: %w", part, err))
		}
		parsed = append(parsed, guard.PortRange{First: uint16(low), Last: uint16(high)})
	}
	return parsed
}

func allowedChecks(errs *[]error, checks *v1alpha1.PolicyChecks) guard.Checks {
	allowed := guard.Checks{
		CustomHost: checks.CustomHost, Secrets: checks.Secrets, BodyMatching: checks.BodyMatching,
		InsecureSkipVerify: checks.InsecureSkipVerify, StatusCodes: checks.StatusDetail == v1alpha1.StatusDetailCode,
	}
	for _, kind := range checks.Kinds {
		allowed.Kinds = append(allowed.Kinds, string(kind))
	}
	if checks.MinInterval != nil {
		interval, err := time.ParseDuration(string(*checks.MinInterval))
		if err != nil {
			*errs = append(*errs, fmt.Errorf("spec.allow.checks.minInterval: %w", err))
		}
		allowed.MinInterval = interval
	}
	return allowed
}

func instances(ec2 *v1alpha1.PolicyEC2) *guard.EC2 {
	if ec2 == nil {
		return nil
	}
	allowed := &guard.EC2{}
	for _, identity := range ec2.Identities {
		allowed.Identities = append(allowed.Identities, string(identity))
	}
	for _, region := range ec2.Regions {
		allowed.Regions = append(allowed.Regions, string(region))
	}
	for key, value := range ec2.RequiredTags {
		if allowed.RequiredTags == nil {
			allowed.RequiredTags = make(map[string]string)
		}
		allowed.RequiredTags[key] = value
	}
	return allowed
}
