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
	"externalbackend.dev/operator/internal/translate"
)

const someRole = "arn:aws:iam::123456789012:role/externalbackend"

// validIdentity is an AWSIdentity with every field set.
const validIdentity = `
apiVersion: externalbackend.dev/v1alpha1
kind: AWSIdentity
metadata: {name: shared}
spec:
  allowedNamespaces:
    matchLabels: {team: shop}
    matchExpressions:
    - {key: tier, operator: In, values: [gold, silver]}
  regions: [eu-west-1, us-east-1]
  role:
    arn: arn:aws:iam::123456789012:role/externalbackend
    sessionTags: {cluster: blue}
  accessKeySecret: {name: keys}
  instanceStatus: Observe
  autoScaling: Ignore
  queues:
  - url: https://sqs.eu-west-1.amazonaws.com/123456789012/externalbackend
`

const validIdentityStatus = `
observedGeneration: 1
conditions:
- {type: Ready, status: "True", reason: Authenticated, message: all is well, observedGeneration: 1, lastTransitionTime: "2026-01-01T00:00:00Z"}
externalID: externalbackend-0123
accountID: "123456789012"
arn: arn:aws:sts::123456789012:assumed-role/externalbackend/operator
regions:
- {region: eu-west-1, problem: none, staleSince: "2026-01-01T00:00:00Z"}
`

const (
	notARole      = "must be the ARN of an IAM role such as arn:aws:iam::123456789012:role/externalbackend"
	notASession   = "keys must have 1 to 128 characters"
	notASecret    = "must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
	notAQueue     = "must be the URL of an SQS queue such as https://sqs.eu-west-1.amazonaws.com/123456789012/externalbackend"
	queueElswhere = "a queue is in a region that regions does not list: add it there, or name a queue in one of them"
	sessionTags   = "spec.role.sessionTags"
	queueURL      = "spec.queues[0].url"
)

// longestQueue is the longest URL of a queue that there can be.
var longestQueue = "https://sqs-fips." + longestChinese + ".api.amazonwebservices.com.cn/123456789012/" + strings.Repeat("a", 80) + ".fifo"

const longestChinese = "cn-aaaaaaaaaaaaaaaaaaaaaaaaaa-11"

var rejectedIdentities = slices.Concat(
	rejectedSelectors("spec.allowedNamespaces"),
	rejectedTexts("spec.role.arn", notARole, "", "externalbackend", "arn:aws:iam::123456789012:user/a", "arn:aws:iam::12345678901:role/a", "arn:aws:iam::123456789012:role/",
		"arn:aws:iam:eu-west-1:123456789012:role/a", "arn:aws:sts::123456789012:assumed-role/a/b", "arn:gcp:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/a b",
		"arn:aws:iam::123456789012:role/a\n", " "+someRole),
	rejectedTexts("spec.accessKeySecret.name", notASecret, "Keys", "a/b", "-a", "a..b"),
	// Requests are signed, and must go to nobody but AWS.
	rejectedTexts(queueURL, notAQueue, "", "externalbackend", "http://sqs.eu-west-1.amazonaws.com/123456789012/a", "https://sqs.eu-west-1.example.com/123456789012/a",
		"https://sqs.eu-west-1.amazonaws.com.example.com/123456789012/a", "https://sqs.eu-west-1.amazonaws.com@example.com/123456789012/a",
		"https://sqs.eu-west-1.amazonaws.com:8443/123456789012/a", "https://sqs.eu-west-1.xamazonaws.com/123456789012/a", "https://sqs.eu-west-1.amazonawsxcom/123456789012/a",
		"https://sqs.eu-west-1.api.aws.example/123456789012/a", "https://sqs.eu-west-1.s3.amazonaws.com/123456789012/a",
		"https://sqs.eu-west-1.amazonaws.com/12345678901/a", "https://sqs.eu-west-1.amazonaws.com/123456789012/", "https://sqs.eu-west-1.amazonaws.com/123456789012/a/b",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/a?b", "https://sqs.eu-west-1.amazonaws.com/123456789012/a#b", "https://sqs.eu-west-1.amazonaws.com/123456789012/"+strings.Repeat("a", 81),
		"https://sqs.eu-west-1.amazonaws.com/123456789012/a\n", "arn:aws:sqs:eu-west-1:123456789012:a"),
	[]rejection{
		rejected("spec", "Required value", remove("spec")),
		rejected("", `strict decoding error: unknown field "spec.secretAccessKey"`, set("spec.secretAccessKey", "a")),
		rejected("", `strict decoding error: unknown field "spec.endpoint"`, set("spec.endpoint", "https://example.com")),
		rejected("", `strict decoding error: unknown field "spec.role.externalID"`, set("spec.role.externalID", "a")),
		rejected("", `strict decoding error: unknown field "spec.accessKeySecret.namespace"`, set("spec.accessKeySecret.namespace", "shop")),

		rejected("spec.regions", "Required value", remove("spec.regions"), remove("spec.queues")),
		rejected("spec.regions", "should have at least 1 items", set("spec.regions", "[]"), remove("spec.queues")),
		rejected("spec.regions", "Too many: 33: must have at most 32 items", set("spec.regions", regions(33)), remove("spec.queues")),
		rejected("spec.regions[1]", "Duplicate value", set("spec.regions", "[eu-west-1, eu-west-1]")),
		rejected("spec.regions[1]", notARegion, set("spec.regions", "[eu-west-1, eu-west-1a]")),
		rejected("spec.regions[1]", notARegion, set("spec.regions", `[eu-west-1, "*"]`)),
		rejected("spec.regions[1]", "Too long: may not be more than 32 bytes", set("spec.regions", "[eu-west-1, "+letters64[:30]+"-a-1]")),

		rejected("spec.role.arn", "Required value", set("spec.role", "{}")),
		rejected("spec.role.arn", "Too long: may not be more than 2048 bytes", set("spec.role.arn", someRole+strings.Repeat("a", 2049-len(someRole)))),
		rejected(sessionTags, "Too many: 17: must have at most 16 items", set(sessionTags, pairs(17, "a"))),
		rejected(sessionTags, notASession, set(sessionTags, `{"": a}`)),
		rejected(sessionTags, notASession, set(sessionTags, "{"+strings.Repeat("a", 129)+": a}")),
		rejected(sessionTags+".team", "Too long: may not be more than 256 bytes", set(sessionTags, "{team: "+strings.Repeat("a", 257)+"}")),
		rejected("spec.accessKeySecret.name", "Required value", set("spec.accessKeySecret", "{}")),
		rejected("spec.accessKeySecret.name", atLeast1, set("spec.accessKeySecret", `{name: ""}`)).and("spec.accessKeySecret.name", notASecret),
		rejected("spec.accessKeySecret.name", "Too long: may not be more than 253 bytes", set("spec.accessKeySecret", "{name: "+letters254+"}")),
		rejected("spec.instanceStatus", `Unsupported value: "observe": supported values: "Observe", "Ignore"`, set("spec.instanceStatus", "observe")),
		rejected("spec.autoScaling", `Unsupported value: "Never": supported values: "Observe", "Ignore"`, set("spec.autoScaling", "Never")),

		rejected("spec.queues", "should have at least 1 items", set("spec.queues", "[]")),
		rejected("spec.queues", "Too many: 9: must have at most 8 items", set("spec.queues", queues(9))),
		rejected("spec.queues[1]", "Duplicate value", set("spec.queues", queues(1)[:len(queues(1))-1]+","+queues(1)[1:])),
		rejected("spec.queues[0].url", "Required value", set("spec.queues", "[{}]")),
		rejected(queueURL, "Too long: may not be more than 177 bytes", set(queueURL, longestQueue+"a")),
		rejected("spec.queues", queueElswhere, set(queueURL, "https://sqs.eu-west-2.amazonaws.com/123456789012/a")),
		rejected("spec.queues", queueElswhere, set("spec.regions", "[us-east-1]")),

		rejected("status.conditions", "Too many: 9: must have at most 8 items", set("status.conditions", conditions(9))),
		rejected("status.conditions[1]", `Duplicate value: {"type":"Ready"}`, set("status.conditions", "["+strings.Repeat(readyCondition+",", 2)+"]")),
		rejected("status.externalID", "Too long: may not be more than 64 bytes", set("status.externalID", letters64+"a")),
		rejected("status.accountID", "Too long: may not be more than 12 bytes", set("status.accountID", `"1234567890123"`)),
		rejected("status.arn", "Too long: may not be more than 2048 bytes", set("status.arn", strings.Repeat("a", 2049))),
		rejected("status.regions", "Too many: 33: must have at most 32 items", set("status.regions", repeated(33, "{region: r-a-%d}"))),
		rejected("status.regions[0].region", "Required value", set("status.regions", "[{problem: none}]")),
		rejected("status.regions[0].region", "Too long: may not be more than 32 bytes", set("status.regions[0].region", letters64[:33])),
		rejected("status.regions[0].problem", "Too long: may not be more than 1024 bytes", set("status.regions[0].problem", strings.Repeat("a", 1025))),
		rejected("status.regions[0].staleSince", "must be of type date-time", set("status.regions[0].staleSince", "yesterday")),
	},
)

// rejectedTexts are refused in a field.
func rejectedTexts(field, message string, texts ...string) (list []rejection) {
	for _, text := range texts {
		list = append(list, rejected(field, message, set(field, quoted(text))))
	}
	return list
}

// queues writes a YAML list of n queues.
func queues(n int) string {
	return repeated(n, "{url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/q%d'}")
}

var acceptedIdentities = slices.Concat(
	acceptedSelectors("spec.allowedNamespaces"),
	inPartition("aws", "eu-west-1", "amazonaws.com", "api.aws"),
	inPartition("aws-cn", "cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
	inPartition("aws-us-gov", "us-gov-west-1", "amazonaws.com", "api.aws"),
	inPartition("aws-eusc", "eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
	inPartition("aws-iso", "us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
	inPartition("aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
	inPartition("aws-iso-e", "eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
	inPartition("aws-iso-f", "us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
	[][]edit{
		{},
		{set("metadata.name", "default")},
		{set("spec", "{regions: [eu-west-1]}")},
		{remove("spec.allowedNamespaces")},
		{set("spec.regions", regions(32)), remove("spec.queues")},
		{set("spec.regions", "["+letters64[:26]+"-aa-11]"), remove("spec.queues")},
		{remove("spec.role")},
		{set("spec.role.arn", "arn:aws:iam::123456789012:role/path/to/a+=,.@_-b")},
		{set("spec.role.arn", someRole+strings.Repeat("a", 2048-len(someRole)))},
		{remove(sessionTags)},
		{set(sessionTags, "{}")},
		{set(sessionTags, pairs(16, `""`))},
		{set(sessionTags, "{"+strings.Repeat("a", 128)+": "+strings.Repeat("a", 256)+"}")},
		{remove("spec.accessKeySecret")},
		{set("spec.accessKeySecret.name", "a")},
		{set("spec.accessKeySecret.name", "aws.keys-1")},
		{set("spec.accessKeySecret.name", letters254[:253])},
		{set("spec.instanceStatus", "Ignore"), set("spec.autoScaling", "Observe")},
		{remove("spec.queues")},
		{set("spec.queues", queues(8))},
		{set(queueURL, "https://sqs-fips.us-east-1.amazonaws.com/123456789012/A_b-1.fifo")},
		{set(queueURL, longestQueue), set("spec.regions", "["+longestChinese+"]"), set("spec.role.arn", strings.Replace(someRole, "aws", "aws-cn", 1))},

		{set("status.observedGeneration", "1")},
		{set("status.conditions", conditions(8))},
		{set("status.externalID", letters64)},
		{set("status.arn", strings.Repeat("a", 2048))},
		{set("status.regions", repeated(32, "{region: r-a-%d}"))},
		{set("status.regions[0].region", letters64[:32])},
		{set("status.regions[0].problem", strings.Repeat("a", 1024))},
	},
)

// inPartition are identities in one part of AWS, whose hosts of SQS end so.
func inPartition(name, region string, suffixes ...string) (accepted [][]edit) {
	for _, suffix := range suffixes {
		accepted = append(accepted, []edit{
			set("spec.regions", "["+region+"]"), set("spec.role.arn", "arn:"+name+":iam::123456789012:role/a"),
			set(queueURL, fmt.Sprintf("https://sqs.%s.%s/123456789012/events", region, suffix)),
		})
	}
	return accepted
}

// expectAuthenticable expects that the operator can act on an identity that the
// API server accepted.
func expectAuthenticable(_ context.Context, stored *unstructured.Unstructured) {
	identity := &v1alpha1.AWSIdentity{}
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(stored.Object, identity, true)).To(Succeed())
	_, err := translate.Identity(identity)
	Expect(err).NotTo(HaveOccurred())
}
