// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/guard"
)

// reachOptions say what may be targeted.
type reachOptions struct {
	allowClassE       bool
	allowClusterCIDRs []netip.Prefix
	clusterDomain     string
	denyCIDRs         []netip.Prefix
	denyDelay         time.Duration
	namespaces        []string
	requirePolicy     bool
}

func (o *reachOptions) register(flags *flag.FlagSet) {
	flags.BoolVar(&o.allowClassE, "allow-class-e", false, "allow targets in 240.0.0.0/4, which some networks use")
	flags.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS domain of the cluster's Services, names in which are no targets")
	flags.DurationVar(&o.denyDelay, "cluster-deny-delay", 10*time.Minute, "how long published addresses are spared that lie in new networks of the cluster, if they are more than 10 and more than a tenth of all; up to 24h")
	flags.Func("deny-cidrs", "networks that no target may lie in, separated by commas, besides those that the cluster itself tells (default none)", networks(&o.denyCIDRs))
	flags.Func("allow-cluster-cidrs", "networks, separated by commas, that targets may lie in although they are the cluster's own; what policies, --deny-cidrs and the operator itself deny stays denied (default none)", networks(&o.allowClusterCIDRs))
	flags.Func("namespaces", "namespaces to work in, separated by commas, with permissions in these alone; needs --deny-cidrs, since the networks of the cluster cannot be read then (default all)", func(list string) error {
		if o.namespaces = split(list); len(o.namespaces) == 0 {
			return errors.New("it names no namespace; leave the flag out to work in all of them")
		}
		return nil
	})
	flags.Func("policy-mode", "baseline: a namespace that no ExternalBackendPolicy with an allow selects may target what is not denied; require: it may target nothing (default baseline)", func(mode string) error {
		if mode != "baseline" && mode != "require" {
			return errors.New("it is baseline or require")
		}
		o.requirePolicy = mode == "require"
		return nil
	})
}

// networks parses a list of networks.
func networks(into *[]netip.Prefix) func(string) error {
	return func(list string) error {
		*into = nil
		for _, text := range split(list) {
			prefix, err := netip.ParsePrefix(text)
			switch mapped := prefix.Addr().Is4In6(); {
			case err != nil:
				return fmt.Errorf("%q is no network such as 10.0.0.0/8 or fd00::/8", text)
			case mapped && prefix.Bits() >= 96:
				return fmt.Errorf("%q spells a network of IPv4 as one of IPv6: write %s", text, netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96).Masked())
			case mapped:
				return fmt.Errorf("%q lies around the IPv4 addresses that IPv6 can spell, and would deny none of them: list networks of IPv4 as such, 0.0.0.0/0 for all", text)
			case prefix != prefix.Masked():
				return fmt.Errorf("%q has bits set behind the prefix: write %s, or %s for the address alone", text, prefix.Masked(), netip.PrefixFrom(prefix.Addr(), prefix.Addr().BitLen()))
			}
			*into = append(*into, prefix)
		}
		return nil
	}
}

// split returns the items of a list, without those that are empty.
func split(list string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }), func(item string) bool { return item == "" })
}

func (o *reachOptions) check() error {
	var errs []error
	if o.denyDelay < 0 || o.denyDelay > 24*time.Hour {
		errs = append(errs, fmt.Errorf("--cluster-deny-delay is %s: it must be between 0s and 24h", o.denyDelay))
	}
	if len(o.namespaces) > 0 && len(o.denyCIDRs) == 0 {
		errs = append(errs, errors.New("--namespaces needs --deny-cidrs: list the networks of the cluster's Services, Pods and Nodes, which cannot be read then"))
	}
	if len(o.namespaces) > 0 && len(o.allowClusterCIDRs) > 0 {
		errs = append(errs, errors.New("--allow-cluster-cidrs does not go with --namespaces: nothing but --deny-cidrs tells the networks of the cluster then, so leave these out there"))
	}
	if len(o.namespaces) > 0 && o.requirePolicy {
		errs = append(errs, errors.New("--policy-mode=require does not go with --namespaces: ExternalBackendPolicies cannot be read then"))
	}
	if _, err := guard.Compile(o.reach().Fixed); err != nil {
		errs = append(errs, fmt.Errorf("--cluster-domain: %w", err))
	}
	return errors.Join(errs...)
}

func (o *reachOptions) reach() *controllers.Reach {
	reach := &controllers.Reach{
		Fixed: guard.Config{
			AllowClassE: o.allowClassE, Exempt: o.allowClusterCIDRs, ClusterDomain: o.clusterDomain, RequirePolicy: o.requirePolicy,
		},
		Discover: len(o.namespaces) == 0, Delay: o.denyDelay, Clock: clock.RealClock{},
	}
	for _, prefix := range o.denyCIDRs {
		reach.Fixed.Networks = append(reach.Fixed.Networks, guard.Network{Prefix: prefix, Why: "denied to all by --deny-cidrs"})
	}
	return reach
}
