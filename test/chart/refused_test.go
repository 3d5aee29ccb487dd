// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Values that are refused, with what is said about them", func() {
	DescribeTable("", func(ctx SpecContext, values string, words ...string) {
		_, err := template(ctx, values)
		Expect(err).To(HaveOccurred())
		for _, w := range words {
			Expect(err).To(MatchError(ContainSubstring(w)))
		}
	},
		Entry("a value that there is not", "replica: 3", "additional properties 'replica' not allowed"),
		Entry("a value in a group that has it not", "metrics: {serviceMonitor: {enable: true}}", "/metrics/serviceMonitor", "'enable' not allowed"),
		Entry("fewer replicas than none", "replicas: -1", "/replicas", "minimum: got -1, want 0"),
		Entry("more replicas than make sense", "replicas: 11", "/replicas", "maximum: got 11, want 10"),
		Entry("replicas in words", "replicas: two", "/replicas", "got string, want integer"),
		Entry("half a replica", "replicas: 1.5", "/replicas", "want integer"),
		Entry("a tag that is none", "image: {tag: 'a b'}", "/image/tag", "'a b' does not match pattern"),
		Entry("no repository", "image: {repository: ''}", "/image/repository"),
		Entry("a tag in the repository", "image: {repository: 'registry.example.com:5000/team/externalbackend-operator:0.1.0'}", "/image/repository", "does not match pattern"),
		Entry("a digest that is none", "image: {digest: latest}", "/image/digest", "sha256"),
		Entry("another pull policy", "image: {pullPolicy: Sometimes}", "/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"),
		Entry("a pull secret that is not named", "imagePullSecrets: [registry]", "/imagePullSecrets/0", "got string, want object"),
		Entry("a prefix too long for the name of a Service", "fullnameOverride: abcdefghijklmnopqrstuvwxyzabc", "/fullnameOverride", "maxLength: got 29, want 28"),
		Entry("a prefix in capitals", "fullnameOverride: Blue", "/fullnameOverride", "'Blue' does not match pattern"),
		Entry("a label that is no text", "commonLabels: {team: 1}", "/commonLabels/team", "got number, want string"),
		Entry("a label that the API server would refuse", "commonLabels: {team: the network}", "/commonLabels/team", "'the network' does not match pattern"),
		Entry("the key of a label that it would refuse", "podLabels: {'the team': network}", "/podLabels", "additional properties 'the team' not allowed"),
		Entry("a group that is emptied, or that values of an older version have not", "metrics: {dashboard: null}", "/metrics", "missing property 'dashboard'"),
		Entry("a value that must be there", "podDisruptionBudget: {maxUnavailable: null}", "/podDisruptionBudget", "missing property 'maxUnavailable'"),
		Entry("a resource beside its group", "resources: {memory: 1Gi}", "/resources", "additional properties 'memory' not allowed"),
		Entry("an affinity to something else", "affinity: {nodeAfinity: {}}", "/affinity", "'nodeAfinity' not allowed"),
		Entry("another policy mode", "policyMode: deny", "/policyMode", "'baseline', 'require'"),
		Entry("an address in place of a network", "denyCIDRs: [10.0.0.1]", "/denyCIDRs/0", "'10.0.0.1' does not match pattern"),
		Entry("a network of more than an address can be", "denyCIDRs: [10.256.0.0/16]", "/denyCIDRs/0", "'10.256.0.0/16' does not match pattern"),
		Entry("a network of more bits than an address has", "denyCIDRs: [10.0.0.0/33]", "/denyCIDRs/0", "'10.0.0.0/33' does not match pattern"),
		Entry("networks in one text", "denyCIDRs: 10.0.0.0/8", "/denyCIDRs", "got string, want array"),
		Entry("an address in place of a network of the cluster", "allowClusterCIDRs: [10.0.0.1]", "/allowClusterCIDRs/0", "'10.0.0.1'"),
		Entry("a cluster domain that is none", "clusterDomain: cluster local", "/clusterDomain", "'cluster local'"),
		Entry("a name server by name", "dnsServers: [dns.example.com]", "/dnsServers/0", "'dns.example.com'"),
		Entry("a namespace that cannot be", "namespaces: [Shop]\ndenyCIDRs: [10.0.0.0/8]", "/namespaces/0", "'Shop'"),
		Entry("a namespace twice", "namespaces: [shop, shop]\ndenyCIDRs: [10.0.0.0/8]", "/namespaces", "items at 0 and 1 are equal"),
		Entry("namespaces without networks", "namespaces: [shop]", "denyCIDRs: list the networks of the cluster's Services, Pods and Nodes"),
		Entry("namespaces with opened networks", "namespaces: [shop]\ndenyCIDRs: [10.0.0.0/8]\nallowClusterCIDRs: [10.1.0.0/16]", "allowClusterCIDRs does not go with namespaces"),
		Entry("namespaces with required policies", "namespaces: [shop]\ndenyCIDRs: [10.0.0.0/8]\npolicyMode: require", "policyMode: require does not go with namespaces"),
		Entry("namespaces with an AWSIdentity", "namespaces: [shop]\ndenyCIDRs: [10.0.0.0/8]\nawsIdentity: {create: true, regions: [eu-west-1]}", "awsIdentity.create does not go with namespaces"),
		Entry("an argument that is no flag", "extraArgs: [debug]", "/extraArgs/0", "'debug' does not match pattern"),
		Entry("a variable without a name", "extraEnv: [{value: x}]", "/extraEnv/0", "missing property 'name'"),
		Entry("the volume that the chart makes", "extraVolumes: [{name: metrics-cert}]", "/extraVolumes/0/name"),
		Entry("a volume at no path", "extraVolumeMounts: [{name: proxy}]", "/extraVolumeMounts/0", "missing property 'mountPath'"),
		Entry("the variable that the chart sets", "extraEnv: [{name: MEMORY_LIMIT, value: '1'}]", "/extraEnv/0/name"),
		Entry("no account", "serviceAccount: {create: false}", "serviceAccount.name: name the ServiceAccount that the operator shall run as"),
		Entry("an annotation that is no text", "serviceAccount: {annotations: {a: true}}", "/serviceAccount/annotations/a", "got boolean, want string"),
		Entry("an AWSIdentity without a region", "awsIdentity: {create: true}", "awsIdentity.regions: list the AWS regions"),
		Entry("a zone in place of a region", "awsIdentity: {create: true, regions: [eu-west-1a]}", "/awsIdentity/regions/0", "'eu-west-1a'"),
		Entry("a role that is none", "awsIdentity: {create: true, regions: [eu-west-1], role: {arn: externalbackend}}", "/awsIdentity/role/arn", "'externalbackend'"),
		Entry("a queue without https", "awsIdentity: {queues: [{url: 'http://sqs.eu-west-1.amazonaws.com/1/q'}]}", "/awsIdentity/queues/0/url"),
		Entry("half an observation", "awsIdentity: {autoScaling: Sometimes}", "/awsIdentity/autoScaling", "'Observe', 'Ignore'"),
		Entry("a monitor of nothing", "metrics: {enabled: false, serviceMonitor: {enabled: true}}", "metrics.serviceMonitor.enabled does not go with metrics.enabled: false"),
		Entry("alerts about nothing", "metrics: {enabled: false, prometheusRule: {enabled: true}}", "metrics.prometheusRule.enabled does not go with metrics.enabled: false"),
		Entry("a certificate for nothing", "metrics: {enabled: false, certSecret: cert}", "metrics.certSecret does not go with metrics.enabled: false"),
		Entry("a time that is none", "metrics: {serviceMonitor: {interval: often}}", "/metrics/serviceMonitor/interval", "'often'"),
		Entry("a budget that is none", "podDisruptionBudget: {maxUnavailable: half}", "/podDisruptionBudget/maxUnavailable", "'half'"),
		Entry("a budget below nothing", "podDisruptionBudget: {maxUnavailable: -1}", "/podDisruptionBudget/maxUnavailable", "minimum: got -1, want 0"),
		Entry("nobody who may scrape", "networkPolicy: {ingress: {enabled: true, from: []}}", "/networkPolicy/ingress/from", "minItems: got 0, want 1"),
		Entry("an address to go to", "networkPolicy: {egress: {cidrs: [192.0.2.1]}}", "/networkPolicy/egress/cidrs/0", "'192.0.2.1'"),
		Entry("a switch in words", "crds: {keep: maybe}", "/crds/keep", "got string, want boolean"),
	)
})
