// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"externalbackend.dev/operator/api/v1alpha1"
)

// validPolicy is an ExternalBackendPolicy with every field set.
const validPolicy = `
apiVersion: externalbackend.dev/v1alpha1
kind: ExternalBackendPolicy
metadata: {name: shop}
spec:
  namespaceSelector:
    matchLabels: {team: shop}
    matchExpressions:
    - {key: tier, operator: In, values: [gold, silver]}
  allow:
    cidrs: [192.0.2.0/24, "2001:db8::/32"]
    hostnames: [db.example.com, "*.example.com"]
    ports: ["443", "8000-8999"]
    checks:
      kinds: [TCP, HTTP]
      minInterval: 10s
      customHost: true
      secrets: true
      bodyMatching: true
      insecureSkipVerify: true
      statusDetail: Code
    ec2:
      identities: [shared]
      regions: [eu-west-1]
      requiredTags: {k8s-namespace: $(namespace)}
    maxAddresses: 100
  deny:
    cidrs: [192.0.2.128/25]
    hostnames: ["*.internal.example.com"]
    ports: ["22"]
`

const (
	nothingSet     = "set allow, deny or both: allow: {} closes the namespaces but for what other policies allow"
	nothingDenied  = "denies nothing: list cidrs, hostnames or ports, or remove it"
	valuesMisused  = "In and NotIn need values to compare with, Exists and DoesNotExist have none"
	notAMatchKey   = "must be a qualified name such as team or example.com/team"
	notACIDR       = "must be a network such as 192.0.2.0/24 or 2001:db8::/32 in its shortest form: no bits set after the prefix, no leading zeros, lower case, no IPv4-mapped IPv6 (write ::ffff:192.0.2.0/120 as 192.0.2.0/24)"
	notAHostname   = "must be a DNS name such as db.example.com, or *. and a name such as *.example.com for every name below it: lower case, no trailing dot, no address"
	notAPortRange  = `must be a port such as "443" or an ascending range such as "8000-8999", within 1 to 65535`
	notAnIdentity  = "must be the name of an AWSIdentity: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
	notARegion     = "must be an AWS region such as eu-west-1"
	notATagKey     = "keys must be keys of tags: 1 to 128 characters"
	notATagValue   = "$(namespace) is all that can be put into a value"
	notAnInterval  = "must be a duration from 1s to 1h in whole numbers, such as 10s or 1m30s"
	policyChecks   = "spec.allow.checks"
	policyInstance = "spec.allow.ec2"
)

// longestHostname is a name of 253 characters, in labels of at most 63.
var longestHostname = strings.Repeat(letters64[:63]+".", 3) + letters64[:61]

var rejectedPolicies = slices.Concat(
	rejectedSelectors("spec.namespaceSelector"),
	rejectedItems("cidrs", "[192.0.2.0/24, 192.0.2.0/24]", 256, "10.0.%[1]d.%[2]d/32", notACIDR,
		"192.0.2.0", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/024", "192.0.02.0/24", "192.0.2/24", "0/0", "192.0.2.0/24 ", "",
		"2001:DB8::/32", "2001:db8:0::/32", "2001:0db8::/32", "2001:db8::1/32", "2001:db8::/129", "::ffff:192.0.2.0/120", "::ffff:0.0.0.0/96",
		"64:ff9b::192.0.2.0/120", "fe80::%eth0/64", "fe80::/64%eth0", "any", "db.example.com"),
	rejectedItems("hostnames", "[a.example, a.example]", 128, "a%[1]d-%[2]d.example", notAHostname,
		"", "*", "*.", "*.*.example.com", "a.*.example.com", "*example.com", "**.example.com", "Db.example.com", "db.example.com.", ".example.com",
		"db..example.com", "-db.example.com", "db-.example.com", "db_1.example.com", "db.example.com:80", "http://db.example.com", "192.0.2.1",
		"127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "2001:db8::1", "[::1]", "bücher.example", letters64+".example", "a."+letters64),
	rejectedItems("ports", `["80", "80"]`, 64, `"%[1]d%02[2]d"`, notAPortRange,
		"", "0", "-1", "http", "65536", "99999", "080", "80-", "-80", "80-79", "80-90-99", "80 - 90", "1-65536", "0-80", "80,81", "*"),
	[]rejection{
		rejected("spec", "Required value", remove("spec")),
		rejected("spec.namespaceSelector", "Required value", remove("spec.namespaceSelector")),
		rejected("spec", nothingSet, remove("spec.allow"), remove("spec.deny")),
		rejected("spec.deny", nothingDenied, set("spec.deny", "{}")),
		rejected("", `strict decoding error: unknown field "spec.allow.cidr"`, set("spec.allow.cidr", "[192.0.2.0/24]")),
		rejected("spec.allow.cidrs[0]", "Too long: may not be more than 43 bytes", set("spec.allow.cidrs", quoted([]string{strings.Repeat("1", 44)}))),
		rejected("spec.deny.cidrs[0]", "Too long: may not be more than 43 bytes", set("spec.deny.cidrs", quoted([]string{strings.Repeat("1", 44)}))),
		rejected("spec.allow.hostnames[0]", "Too long: may not be more than 253 bytes", set("spec.allow.hostnames", quoted([]string{"a" + longestHostname}))),
		rejected("spec.deny.hostnames[0]", "Too long: may not be more than 253 bytes", set("spec.deny.hostnames", quoted([]string{"a" + longestHostname}))),
		rejected("spec.allow.ports[0]", "Too long: may not be more than 11 bytes", set("spec.allow.ports", `["10000-065535"]`)),
		rejected("spec.deny.ports[0]", "Too long: may not be more than 11 bytes", set("spec.deny.ports", `["10000-065535"]`)),
		rejected("spec.allow.ports[0]", "must be of type string", set("spec.allow.ports", "[443]")),

		rejected(policyChecks+".kinds[0]", `Unsupported value: "tcp": supported values: "TCP", "HTTP", "None"`, set(policyChecks+".kinds", "[tcp]")),
		rejected(policyChecks+".kinds", "should have at least 1 items", set(policyChecks+".kinds", "[]")),
		rejected(policyChecks+".kinds", "Too many: 4: must have at most 3 items", set(policyChecks+".kinds", "[TCP, HTTP, None, TCP]")).
			and(policyChecks+".kinds[3]", "Duplicate value"),
		rejected(policyChecks+".kinds[1]", "Duplicate value", set(policyChecks+".kinds", "[TCP, TCP]")),
		rejected(policyChecks+".minInterval", notAnInterval, set(policyChecks+".minInterval", "999ms")),
		rejected(policyChecks+".minInterval", notAnInterval, set(policyChecks+".minInterval", "3601s")),
		rejected(policyChecks+".minInterval", notAnInterval, set(policyChecks+".minInterval", "often")),
		rejected(policyChecks+".minInterval", "Too long: may not be more than 16 bytes", set(policyChecks+".minInterval", "00000h00m09s000ms")),
		rejected(policyChecks+".statusDetail", `Unsupported value: "Body": supported values: "Class", "Code"`, set(policyChecks+".statusDetail", "Body")),
		rejected(policyChecks+".customHost", "must be of type boolean", set(policyChecks+".customHost", `"yes"`)),

		rejected(policyInstance+".identities", "Required value", remove(policyInstance+".identities")),
		rejected(policyInstance+".identities", "should have at least 1 items", set(policyInstance+".identities", "[]")),
		rejected(policyInstance+".identities", "Too many: 33: must have at most 32 items", set(policyInstance+".identities", repeated(33, "i%d"))),
		rejected(policyInstance+".identities[1]", "Duplicate value", set(policyInstance+".identities", "[a, a]")),
		rejected(policyInstance+".identities[0]", notAnIdentity, set(policyInstance+".identities", "[Shared]")),
		rejected(policyInstance+".identities[0]", notAnIdentity, set(policyInstance+".identities", `["*"]`)),
		rejected(policyInstance+".identities[0]", notAnIdentity, set(policyInstance+".identities", `[""]`)),
		rejected(policyInstance+".identities[0]", "Too long: may not be more than 253 bytes", set(policyInstance+".identities", "["+letters254+"]")),
		rejected(policyInstance+".regions", "should have at least 1 items", set(policyInstance+".regions", "[]")),
		rejected(policyInstance+".regions", "Too many: 65: must have at most 64 items", set(policyInstance+".regions", regions(65))),
		rejected(policyInstance+".regions[1]", "Duplicate value", set(policyInstance+".regions", "[eu-west-1, eu-west-1]")),
		rejected(policyInstance+".regions[0]", notARegion, set(policyInstance+".regions", "[eu-west-1a]")),
		rejected(policyInstance+".regions[0]", notARegion, set(policyInstance+".regions", `["eu-*-1"]`)),
		rejected(policyInstance+".regions[0]", "Too long: may not be more than 32 bytes", set(policyInstance+".regions", "["+letters64[:30]+"-a-1]")),
		rejected(policyInstance+".requiredTags", "Too many: 17: must have at most 16 items", set(policyInstance+".requiredTags", pairs(17, "a"))),
		rejected(policyInstance+".requiredTags", notATagKey, set(policyInstance+".requiredTags", "{"+strings.Repeat("a", 129)+": a}")),
		rejected(policyInstance+".requiredTags", notATagKey, set(policyInstance+".requiredTags", `{"": a}`)),
		rejected(policyInstance+".requiredTags[team]", notATagValue, set(policyInstance+".requiredTags", "{team: $(name)}")),
		rejected(policyInstance+".requiredTags[team]", notATagValue, set(policyInstance+".requiredTags", "{team: a-$(namespace)-$(namespace}")),
		rejected(policyInstance+".requiredTags.team", "Too long: may not be more than 256 bytes", set(policyInstance+".requiredTags", "{team: "+strings.Repeat("a", 257)+"}")),

		rejected("spec.allow.maxAddresses", "should be greater than or equal to 1", set("spec.allow.maxAddresses", "0")),
		rejected("spec.allow.maxAddresses", "should be less than or equal to 10000", set("spec.allow.maxAddresses", "10001")),
	},
)

// rejectedSelectors are cases of a selector of namespaces at a path.
func rejectedSelectors(path string) []rejection {
	matchLabels, expressions := path+".matchLabels", path+".matchExpressions"
	expression := expressions + "[0]"
	return []rejection{
		rejected(matchLabels, "Too many: 17: must have at most 16 items", set(matchLabels, pairs(17, "a"))),
		rejected(matchLabels, notALabelKey, set(matchLabels, "{a/b/c: a}")),
		rejected(matchLabels, notALabelKey, set(matchLabels, `{"": a}`)),
		rejected(matchLabels, notALabelKey, set(matchLabels, "{a"+longestKey+": a}")),
		rejected(matchLabels+"[team]", notALabelValue, set(matchLabels, "{team: shop floor}")),
		rejected(matchLabels+".team", "Too long: may not be more than 63 bytes", set(matchLabels, "{team: "+letters64+"}")),
		rejected(expressions, "Too many: 17: must have at most 16 items", set(expressions, repeated(17, "{key: k%d, operator: Exists}"))),
		rejected(expression+".key", "Required value", set(expression, "{operator: Exists}")),
		rejected(expression+".key", notAMatchKey, set(expression, "{key: a b, operator: Exists}")),
		rejected(expression+".key", notAMatchKey, set(expression, `{key: "", operator: Exists}`)),
		rejected(expression+".key", "Too long: may not be more than 317 bytes", set(expression, "{key: a"+longestKey+", operator: Exists}")),
		rejected(expression+".operator", "Required value", set(expression, "{key: team}")),
		rejected(expression+".operator", `Unsupported value: "in": supported values: "In", "NotIn", "Exists", "DoesNotExist"`, set(expression, "{key: team, operator: in}")),
		rejected(expression+".values", valuesMisused, set(expression, "{key: team, operator: In}")),
		rejected(expression+".values", valuesMisused, set(expression, "{key: team, operator: NotIn, values: []}")),
		rejected(expression+".values", valuesMisused, set(expression, "{key: team, operator: Exists, values: [shop]}")),
		rejected(expression+".values", valuesMisused, set(expression, "{key: team, operator: DoesNotExist, values: [shop]}")),
		rejected(expression+".values", "Too many: 65: must have at most 64 items", set(expression, "{key: team, operator: In, values: "+repeated(65, "v%d")+"}")),
		rejected(expression+".values[0]", notALabelValue, set(expression, "{key: team, operator: In, values: [-shop]}")),
		rejected(expression+".values[0]", "Too long: may not be more than 63 bytes", set(expression, "{key: team, operator: In, values: ["+letters64+"]}")),
	}
}

// acceptedSelectors are their neighbours.
func acceptedSelectors(path string) [][]edit {
	matchLabels, expressions := path+".matchLabels", path+".matchExpressions"
	expression := expressions + "[0]"
	return [][]edit{
		{set(path, "{}")},
		{set(matchLabels, "{}")},
		{set(matchLabels, pairs(16, "a"))},
		{set(matchLabels, "{"+longestKey+": "+letters64[:63]+", kubernetes.io/metadata.name: shop, team: \"\"}")},
		{set(expressions, "[]")},
		{set(expressions, repeated(16, "{key: k%d, operator: Exists}"))},
		{set(expression, "{key: "+longestKey+", operator: DoesNotExist, values: []}")},
		{set(expression, "{key: team, operator: NotIn, values: "+repeated(64, "v%d")+"}")},
		{set(expression, "{key: team, operator: In, values: ["+letters64[:63]+", \"\", a, a]}")},
	}
}

// rejectedItems are cases of a list that is in allow and in deny.
func rejectedItems(list, twice string, most int, item, message string, wrong ...string) (rejections []rejection) {
	for _, part := range []string{"spec.allow.", "spec.deny."} {
		path := part + list
		rejections = append(rejections,
			rejected(path, "should have at least 1 items", set(path, "[]")),
			rejected(path, fmt.Sprintf("Too many: %d: must have at most %d items", most+1, most), set(path, different(most+1, item))),
			rejected(path+"[1]", "Duplicate value", set(path, twice)))
		for _, text := range wrong {
			rejections = append(rejections, rejected(path+"[0]", message, set(path, quoted([]string{text}))))
		}
	}
	return rejections
}

// acceptedItems are their neighbours.
func acceptedItems(list string, most int, item string, right ...string) (accepted [][]edit) {
	for _, path := range []string{"spec.allow." + list, "spec.deny." + list} {
		accepted = append(accepted, []edit{remove(path)}, []edit{set(path, different(most, item))})
		for _, text := range right {
			accepted = append(accepted, []edit{set(path, quoted([]string{text}))})
		}
	}
	return accepted
}

var acceptedPolicies = slices.Concat(
	acceptedSelectors("spec.namespaceSelector"),
	acceptedItems("cidrs", 256, "10.0.%[1]d.%[2]d/32",
		"0.0.0.0/0", "192.0.2.0/24", "192.0.2.1/32", "128.0.0.0/1", "::/0", "2001:db8::/32", "2001:db8::1/128", "64:ff9b::/96", "::/96",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "2001:db8:0:1::/64", "127.0.0.0/8"),
	acceptedItems("hostnames", 128, "a%[1]d-%[2]d.example",
		"db.example.com", "*.example.com", "*.corp", "db", "1a.example.com", "10.0.0.1.example.com", "xn--bcher-kva.example", longestHostname,
		"*."+longestHostname[2:], letters64[:63]+".a1"),
	acceptedItems("ports", 64, `"%[1]d%02[2]d"`, "1", "65535", "443", "8000-8999", "1-65535", "80-80", "10000-65535"),
	[][]edit{
		{},
		{set("metadata.name", quoted(longestHostname))},

		{remove("spec.allow")},
		{set("spec.allow", "{}")},
		{set("spec.allow", "{}"), remove("spec.deny")},
		{remove("spec.deny")},
		{set("spec.deny", "null")},
		{set("spec.deny", "{ports: [\"22\"]}")},
		{set("spec.deny", "{hostnames: [a.example]}")},
		{set("spec.deny", "{cidrs: [192.0.2.0/24]}")},

		{set(policyChecks, "{}")},
		{set(policyChecks, "{kinds: [TCP, HTTP, None]}")},
		{set(policyChecks, "{kinds: [TCP]}")},
		{set(policyChecks, "{minInterval: 1s}")},
		{set(policyChecks, "{minInterval: 1h}")},
		{set(policyChecks, "{minInterval: 00000h00m09s00ms}")},
		{set(policyChecks, "{statusDetail: Class}")},
		{set(policyChecks, "{customHost: false, secrets: false, bodyMatching: false, insecureSkipVerify: false}")},

		{remove(policyInstance)},
		{set(policyInstance, "{identities: ["+letters254[:253]+", a.b, default]}")},
		{set(policyInstance, "{identities: "+repeated(32, "i%d")+"}")},
		{set(policyInstance, "{identities: [a], regions: "+regions(64)+"}")},
		{set(policyInstance, "{identities: [a], regions: [us-gov-west-1, cn-north-1, "+letters64[:26]+"-aa-11]}")},
		{set(policyInstance, "{identities: [a], requiredTags: "+pairs(16, `"$(namespace)"`)+"}")},
		{set(policyInstance, "{identities: [a], requiredTags: {"+strings.Repeat("a", 128)+": "+strings.Repeat("a", 256)+", team: \"\", \"a b\": \"$5 (x) $(namespace)-$(namespace)\"}}")},

		{set("spec.allow.maxAddresses", "1")},
		{set("spec.allow.maxAddresses", "10000")},
		{remove("spec.allow.maxAddresses")},
	},
)

// different writes a YAML list of n items that have two numbers in them, which
// are at most 99.
func different(n int, item string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(item, i/26+1, i%26)
	}
	return "[" + strings.Join(list, ",") + "]"
}

func regions(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("r%c-a-%d", 'a'+i/26, i%26+1)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// expectUsable expects that the operator can act on a policy that the API
// server accepted.
func expectUsable(_ context.Context, stored *unstructured.Unstructured) {
	policy := &v1alpha1.ExternalBackendPolicy{}
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(stored.Object, policy, true)).To(Succeed())
	_, err := policy.Spec.NamespaceSelector.Selector()
	Expect(err).NotTo(HaveOccurred())
}
