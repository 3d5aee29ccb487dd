// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/labels"

	"externalbackend.dev/operator/api/v1alpha1"
)

// AWSIdentity is an AWSIdentity as the core sees it.
type AWSIdentity struct {
	Name    string
	Regions []string
	// Selector of the namespaces that may use it; nil: none may.
	Selector labels.Selector
	// RoleARN is the role to assume; empty: none.
	RoleARN     string
	SessionTags map[string]string
	// SecretName is the Secret with the access key; empty: the operator's own
	// credentials.
	SecretName string
	// InstanceStatus and AutoScaling say whether these are asked for.
	InstanceStatus, AutoScaling bool
	Queues                      []EventQueue
}

// EventQueue is an SQS queue, and the region that it is in.
type EventQueue struct{ URL, Region string }

// Allows says whether a namespace with such labels may use the identity.
func (i *AWSIdentity) Allows(namespace labels.Set) bool {
	return i.Selector != nil && i.Selector.Matches(namespace)
}

// Lists says whether the identity may be used for a region.
func (i *AWSIdentity) Lists(region string) bool { return slices.Contains(i.Regions, region) }

// Identity translates an AWSIdentity. The error names the field that cannot be
// acted on, whether or not admission could have known; then there is nothing to
// ask AWS with, but Allows and Lists of the value still say what was said.
func Identity(id *v1alpha1.AWSIdentity) (AWSIdentity, error) {
	spec := &id.Spec
	i := AWSIdentity{Name: id.Name}
	for _, region := range spec.Regions {
		i.Regions = append(i.Regions, string(region))
	}
	var errs []error
	if spec.AllowedNamespaces != nil {
		selector, err := spec.AllowedNamespaces.Selector()
		if err != nil {
			errs = append(errs, fmt.Errorf("spec.allowedNamespaces: %w: correct it, until then no namespace may use the identity", err))
		} else {
			i.Selector = selector
		}
	}
	partition, err := commonPartition(i.Regions)
	errs = append(errs, err, i.role(spec.Role, partition))
	if spec.AccessKeySecret != nil {
		if i.SecretName = spec.AccessKeySecret.Name; i.SecretName == "" {
			errs = append(errs, errors.New("spec.accessKeySecret.name: is empty: name a Secret, or remove accessKeySecret"))
		}
	}
	errs = append(errs, observation(&i.InstanceStatus, "instanceStatus", spec.InstanceStatus), observation(&i.AutoScaling, "autoScaling", spec.AutoScaling))
	for _, q := range spec.Queues {
		queue, err := i.queue(q.URL)
		if err != nil {
			errs = append(errs, fmt.Errorf("spec.queues: %q %w", q.URL, err))
			continue
		}
		i.Queues = append(i.Queues, queue)
	}
	return i, errors.Join(errs...)
}

// partition is a part of AWS that has its own accounts and credentials.
type partition struct {
	name string
	// prefix of its regions.
	prefix string
	// suffixes of the hosts of SQS in it, IPv4 only and dual-stack.
	suffixes [2]string
}

// partitions of AWS. The first one has all regions that no prefix tells apart.
var partitions = []partition{
	{"aws", "", [2]string{"amazonaws.com", "api.aws"}},
	{"aws-cn", "cn-", [2]string{"amazonaws.com.cn", "api.amazonwebservices.com.cn"}},
	{"aws-us-gov", "us-gov-", [2]string{"amazonaws.com", "api.aws"}},
	{"aws-eusc", "eusc-", [2]string{"amazonaws.eu", "api.amazonwebservices.eu"}},
	{"aws-iso", "us-iso-", [2]string{"c2s.ic.gov", "api.aws.ic.gov"}},
	{"aws-iso-b", "us-isob-", [2]string{"sc2s.sgov.gov", "api.aws.scloud"}},
	{"aws-iso-e", "eu-isoe-", [2]string{"cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"}},
	{"aws-iso-f", "us-isof-", [2]string{"csp.hci.ic.gov", "api.aws.hci.ic.gov"}},
}

func partitionOf(region string) *partition {
	for n := range partitions[1:] {
		if p := &partitions[n+1]; strings.HasPrefix(region, p.prefix) {
			return p
		}
	}
	return &partitions[0]
}

// commonPartition returns the partition that all regions are in; nil with an error.
func commonPartition(regions []string) (*partition, error) {
	var common *partition
	for _, region := range regions {
		if !isRegion(region) {
			return nil, fmt.Errorf("spec.regions: %q is not an AWS region: name one such as eu-west-1", region)
		}
		p := partitionOf(region)
		if common != nil && common != p {
			return nil, fmt.Errorf("spec.regions: %s and %s are in the partitions %s and %s of AWS, which have no credentials in common: make an AWSIdentity for each",
				regions[0], region, common.name, p.name)
		}
		common = p
	}
	if common == nil {
		return nil, errors.New("spec.regions: is empty: list the regions that may be asked for instances")
	}
	return common, nil
}

func observation(observe *bool, field string, value v1alpha1.Observation) error {
	switch value {
	case v1alpha1.ObservationObserve, "":
		*observe = true
	case v1alpha1.ObservationIgnore:
	default:
		return fmt.Errorf("spec.%s: %q is not Observe or Ignore: set one of them", field, value)
	}
	return nil
}

var roleARN = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::[0-9]{12}:role/[!-~]+$`)

// role takes the role over. Without a partition, that of its ARN is not compared.
func (i *AWSIdentity) role(role *v1alpha1.AWSRole, partition *partition) error {
	if role == nil {
		return nil
	}
	i.RoleARN, i.SessionTags = role.ARN, maps.Clone(map[string]string(role.SessionTags))
	match := roleARN.FindStringSubmatch(role.ARN)
	switch {
	case match == nil:
		return fmt.Errorf("spec.role.arn: %q is not the ARN of an IAM role such as arn:aws:iam::123456789012:role/externalbackend", role.ARN)
	case partition != nil && match[1] != partition.name:
		return fmt.Errorf("spec.role.arn: is of the partition %s of AWS, and the regions are in %s: name a role of an account there, or correct regions", match[1], partition.name)
	}
	for _, key := range slices.Sorted(maps.Keys(role.SessionTags)) {
		if value := role.SessionTags[key]; key == "" || utf8.RuneCountInString(key) > maxTagKey || utf8.RuneCountInString(value) > maxTagValue {
			return fmt.Errorf("spec.role.sessionTags: keys have 1 to %d characters and values at most %d: correct %q", maxTagKey, maxTagValue, key)
		}
	}
	return nil
}

var queueURL = regexp.MustCompile(`^https://sqs(?:-fips)?\.([a-z0-9-]+)\.([a-z0-9.-]+)/[0-9]{12}/[A-Za-z0-9_-]{1,80}(?:\.fifo)?$`)

// queue translates a URL. Requests to it are signed, so that it must be one of AWS.
func (i *AWSIdentity) queue(url string) (EventQueue, error) {
	match := queueURL.FindStringSubmatch(url)
	if match == nil {
		return EventQueue{}, errors.New("is not the URL of an SQS queue such as https://sqs.eu-west-1.amazonaws.com/123456789012/externalbackend")
	}
	region, suffix := match[1], match[2]
	if !i.Lists(region) {
		return EventQueue{}, fmt.Errorf("is in the region %s, which regions does not list: add it, or name a queue in one of them", region)
	}
	if p := partitionOf(region); !slices.Contains(p.suffixes[:], suffix) {
		return EventQueue{}, fmt.Errorf("is not at a host of SQS in %s, which ends in %s or %s", region, p.suffixes[0], p.suffixes[1])
	}
	return EventQueue{URL: url, Region: region}, nil
}

const externalIDBytes = 16

// ExternalID returns what the trust policy of the role of an identity must ask for
// as sts:ExternalId: at most 64 characters of [a-z0-9-], the same for as long as
// the cluster and the name of the identity are. It is empty if the UID of the
// cluster is.
func ExternalID(clusterUID, identity string) string {
	if clusterUID == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(clusterUID + "/" + identity))
	return "externalbackend-" + hex.EncodeToString(sum[:externalIDBytes])
}
