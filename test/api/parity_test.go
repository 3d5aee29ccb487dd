// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// someNames are names that are right, and such that are wrong in some detail.
var someNames = rapid.Custom(func(t *rapid.T) string {
	label := rapid.OneOf(
		rapid.SampledFrom([]string{
			"db", "Example", "_tcp", "a_b", "localhost", "LOCALHOST", "xn--a", "0", "099", "0x", "0X7F", "0xg", "1a", "", "-a", "a-", "a--b", "_", "-", "*",
			"a b", "\u212a", "ü", "a\n", "a/", letters64[:63], letters64, letters64[:61],
		}),
		rapid.StringMatching(`[a-zA-Z0-9]{1,9}`),
		rapid.StringMatching(`[0-9A-Fa-fx]{1,3}`),
	)
	name := strings.Join(rapid.SliceOfN(label, 1, 5).Draw(t, "labels"), ".")
	return name + rapid.SampledFrom([]string{"", "", "", ".", ".."}).Draw(t, "end")
})

var _ = Describe("The hostnames that the API server accepts", func() {
	It("are those that the operator does", func(ctx SpecContext) {
		count := map[bool]int{}
		for i := range 600 {
			resolution, text := []string{"Resolve", "SRV"}[i%2], someNames.Example(i)
			object := edited(named(quoted(map[string]any{"hostname": text, "resolution": resolution})))
			err := api.Create(ctx, object.DeepCopy(), client.DryRunAll)
			if err != nil {
				Expect(causesOf(err)).To(HaveEach(HaveField("Field", hostname)), "%q", text)
			}
			invalid := translate.ForService(typed(object), nil, 0).Entries[0].Invalid
			Expect(err == nil).To(Equal(invalid == nil), "%s of %q: the API server says %v, the operator %v", resolution, text, err, invalid)
			count[err == nil]++
		}
		Expect(count).To(And(HaveKeyWithValue(true, BeNumerically(">", 50)), HaveKeyWithValue(false, BeNumerically(">", 50))))
	}, NodeTimeout(2*time.Minute))
})

// wordsOf are words of each field of EC2 targets and AWSIdentities, which are right, or
// wrong in some detail.
var wordsOf = map[string]*rapid.Generator[string]{
	"region": rapid.OneOf(
		rapid.SampledFrom([]string{"eu-west-1", "us-gov-east-1", "cn-north-1", "", "eu-west", "eu-west-01", "eu--1", "EU-west-1", "eu-west-1\n", "\u212a-a-1"}),
		rapid.StringMatching(`[a-z]{1,3}(-[a-z]{1,9}){0,2}-[0-9]{1,3}`)),
	"id": rapid.OneOf(
		rapid.SampledFrom([]string{instance, "i-01234567", "i-", "", "i-0123456789abcdef", "I-01234567", "i-01234567\n", "i-0123456é"}),
		rapid.StringMatching(`i-[0-9a-g]{7,9}`)),
	"filter": rapid.OneOf(
		rapid.SampledFrom([]string{"tag-key", "vpc-id", "tag:", "tag:a", "", "Tag:a", "tag", "instance-id", "subnet-id", "tag:" + strings.Repeat("ü", 128), "tag:" + strings.Repeat("ü", 129)}),
		rapid.StringMatching(`tag[:-](key)?[a-z*]{0,2}`)),
	"value": rapid.OneOf(
		rapid.SampledFrom([]string{"", strings.Repeat("ü", 255), strings.Repeat("ü", 256), "*****", "a\n"}),
		rapid.StringMatching(`[a*?\\]{0,9}`)),
	"subnet": rapid.StringMatching(`subnet-[0-9a-g]{8}([0-9a-f]{9})?`),
	"arn": rapid.OneOf(
		rapid.SampledFrom([]string{someRole, "", "arn:aws:iam::123456789012:role/ü", "arn:aws:iam::123456789012:role/a\n"}),
		rapid.StringMatching(`arn:aw?s:iam:a?:[0-9]{11,12}:(role|user)/[a-z ]{0,3}`)),
	"queue": rapid.OneOf(
		rapid.SampledFrom([]string{"", "https://sqs.eu-west-1.amazonaws.com/123456789012/a\n", "https://sqs.eu-west-1.amazonaws.com/123456789012/é"}),
		rapid.StringMatching(`https?://sqs(-fips)?[.](eu-west-1|eu-west-2)[.](amazonaws|example)[.](com|org)/[0-9]{11,12}/[a-z.]{0,3}([.]fifo)?`)),
}

var _ = Describe("What the API server accepts of EC2", func() {
	It("of targets is what the operator does", func(ctx SpecContext) {
		count := map[bool]int{}
		for i := range 600 {
			// One field is anything, so that both answers are frequent.
			words := map[string]string{"region": "eu-west-1", "id": instance, "filter": "tag:a", "value": "a", "subnet": "subnet-01234567"}
			field := []string{"region", "id", "filter", "value", "subnet"}[i%5]
			words[field] = wordsOf[field].Example(i)
			object := edited(set("spec.targets[0]", quoted(map[string]any{"name": "fleet", "ec2": map[string]any{
				"region": words["region"], "networkInterface": map[string]any{"subnetID": words["subnet"]},
				"selector": map[string]any{
					"instanceIDs": []string{words["id"]}, "filters": []any{map[string]any{"name": words["filter"], "values": []string{words["value"]}}},
				},
			}})))
			err := api.Create(ctx, object.DeepCopy(), client.DryRunAll)
			invalid := translate.ForService(typed(object), nil, 0).Entries[0].Invalid
			Expect(err == nil).To(Equal(invalid == nil), "%s %q: the API server says %v, the operator %v", field, words[field], err, invalid)
			count[err == nil]++
		}
		Expect(count).To(And(HaveKeyWithValue(true, BeNumerically(">", 50)), HaveKeyWithValue(false, BeNumerically(">", 50))))
	}, NodeTimeout(2*time.Minute))

	It("of AWSIdentities is what the operator does", func(ctx SpecContext) {
		count := map[bool]int{}
		for i := range 400 {
			field := []string{"arn", "queue"}[i%2]
			text := wordsOf[field].Example(i)
			path := map[string]string{"arn": "spec.role.arn", "queue": queueURL}[field]
			object := identities.edited(set(path, quoted(text)))
			err := api.Create(ctx, object.DeepCopy(), client.DryRunAll)
			identity := &v1alpha1.AWSIdentity{}
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, identity, true)).To(Succeed())
			_, invalid := translate.Identity(identity)
			Expect(err == nil).To(Equal(invalid == nil), "%s %q: the API server says %v, the operator %v", field, text, err, invalid)
			count[err == nil]++
		}
		Expect(count).To(And(HaveKeyWithValue(true, BeNumerically(">", 20)), HaveKeyWithValue(false, BeNumerically(">", 50))))
	}, NodeTimeout(2*time.Minute))
})
