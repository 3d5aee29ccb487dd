// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"net/netip"
	"slices"
)

// hardRules hold what no target outside the cluster can legitimately be.
// Documentation ranges are allowed on purpose.
//
// Sources: the special-purpose registries of RFC 6890, and what cloud providers
// document of their metadata services outside of the link-local ranges:
//   - AWS, instance metadata (fd00:ec2::254), Pod identity (fd00:ec2::23), DNS
//     and time: fd00:ec2::/32. Amazon EC2 User Guide, instance metadata.
//   - Azure, WireServer: 168.63.129.16. Azure documentation, "What is IP
//     address 168.63.129.16?".
//   - Alibaba Cloud: 100.100.100.200 and fd00:100::100:200. ECS User Guide,
//     instance metadata.
//   - Google Cloud, instances with IPv6 only: fd20:ce::254. Compute Engine
//     documentation, querying VM metadata.
//   - Oracle Cloud: fd00:c1::a9fe:a9fe, and 192.0.0.192 in Oracle Cloud
//     Infrastructure Classic. Documentation of each, getting instance metadata.
//   - Scaleway: fd00:42::42. cloud-init documentation, Scaleway data source.
//   - Akamai (Linode): fd00:a9fe:a9fe::1. Metadata Service documentation.
var hardRules = []rule{
	hard("0.0.0.0/8", "this network"),
	hard("127.0.0.0/8", "loopback"),
	hard("169.254.0.0/16", "link-local, where metadata services live"),
	hard("224.0.0.0/4", "multicast"),
	hard("255.255.255.255/32", "broadcast"),
	hard("168.63.129.16/32", metadataService),
	hard("100.100.100.200/32", metadataService),
	hard("192.0.0.192/32", metadataService),
	hard("::/128", "unspecified"),
	hard("::1/128", "loopback"),
	hard("fe80::/10", "link-local"),
	hard("ff00::/8", "multicast"),
	hard("fd00:ec2::/32", "a cloud platform's metadata services"),
	hard("fd20:ce::254/128", metadataService),
	hard("fd00:c1::a9fe:a9fe/128", metadataService),
	hard("fd00:42::42/128", metadataService),
	hard("fd00:a9fe:a9fe::1/128", metadataService),
	hard("fd00:100::100:200/128", metadataService),
}

const metadataService = "a cloud platform's metadata service"

var classE = hard("240.0.0.0/4", "reserved; an administrator can allow it with --allow-class-e")

func hard(prefix, why string) rule {
	return rule{prefix: netip.MustParsePrefix(prefix), why: why, layer: LayerHard}
}

// rulesFor returns the rules that hold for every namespace.
func rulesFor(config Config) []rule {
	rules := slices.Clone(hardRules)
	if !config.AllowClassE {
		rules = append(rules, classE)
	}
	for _, n := range config.Networks {
		rules = append(rules, rule{prefix: canonical(n.Prefix), why: n.Why, layer: LayerCluster, discovered: n.Discovered, staged: n.Staged, since: n.Since})
	}
	for _, p := range config.Exempt {
		rules = append(rules, rule{prefix: canonical(p), exempt: true})
	}
	return rules
}
