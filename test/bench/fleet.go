// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

const (
	// awsRegion is where all instances are.
	awsRegion = "eu-west-1"
	// fleetAccount has the instances that the operator publishes.
	fleetAccount = "100000000000"
	// fleetBlock is a block of addresses that nothing else takes.
	fleetBlock = 102
	// maxFleet is the most addresses that an ExternalBackend has.
	maxFleet = maxPerBackend
	// idleFor is how long a published fleet is watched.
	idleFor = 4 * time.Minute
	// sampled is the time between two looks at the operator, and refreshTail how
	// long after a request the operator may be at work because of it.
	sampled     = 100 * time.Millisecond
	refreshTail = 2 * time.Second
)

// fleet is what was measured of EC2 instances.
type fleet struct {
	// Calls are for several numbers of ExternalBackends.
	Calls []calls
	// Size is how many instances are published, and Before what the operator has
	// resident without any, in bytes.
	Size   int
	Before int64
	Starts []fleetStart
	Idle   fleetIdle
}

// fleetStart is what was measured of the first publication of EC2 instances.
type fleetStart struct {
	// First and All are the times from the first request that created something to
	// the first slice, and until every instance was published ready.
	First, All time.Duration
	Writes     writes
	CPU        time.Duration
	// Calls are the requests to AWS meanwhile, by operation.
	Calls map[string]int
	// Memory is what the operator has resident at the end, and Peak the most that it
	// had since its process began, both in bytes.
	Memory, Peak int64
}

// fleetIdle is what was measured of a published fleet of which nothing changes.
type fleetIdle struct {
	Took time.Duration
	// Refreshes are complete listings. Each took CPU, together with its share of the
	// other requests to AWS, beyond Idle: the share of a core that is used without.
	Refreshes int
	CPU       time.Duration
	Idle      float64
	Calls     map[string]int
	Writes    writes
	// Patched is true if the ExternalBackend or the AWSIdentity was written.
	Patched bool
	Memory  int64
}

// startAWS has this process, and those that it starts, take a fake for AWS.
func startAWS() (*fake.Server, error) {
	aws, err := fake.Start()
	if err != nil {
		return nil, err
	}
	key := aws.Account(fleetAccount).User("operator")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": aws.URL(), "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": key.ID, "AWS_SECRET_ACCESS_KEY": key.Secret, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			aws.Close()
			return nil, err
		}
	}
	return aws, nil
}

// runFleet starts instances with these addresses and the tag app=web.
func runFleet(region *fake.Region, addresses []string) {
	specs := make([]fake.Instance, 0, len(addresses))
	for n, address := range addresses {
		zone := awsRegion + string(rune('a'+n%3))
		specs = append(specs, fake.Instance{
			PrivateIP: address, Zone: zone,
			Tags: map[string]string{"app": "web", "env": "production", "Name": fmt.Sprintf("web-%d", n)},
		})
	}
	region.LaunchAll(specs...)
	region.Settle()
}

// measureFleet takes the figures about EC2 instances that want an API server.
func (c *controlPlane) measureFleet(ctx context.Context, o options, r *results, say func(string, ...any)) error {
	l, err := c.lane(ctx, "fleet", addressBlock(fleetBlock, o.fleet))
	if err != nil {
		return err
	}
	runFleet(c.aws.Account(fleetAccount).Region(awsRegion), l.addresses)
	if err := c.restartOperator(l); err != nil { // its memory tells of nothing else then
		return err
	}
	if err := sleep(ctx, idleTime); err != nil {
		return err
	}
	r.Fleet.Size = o.fleet
	r.Fleet.Before, _, err = memory(c.operator.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for round := range o.coldRounds {
		say("%d EC2 instances: first publication, %d of %d", o.fleet, round+1, o.coldRounds)
		if round > 0 {
			if err := c.removeFleet(ctx, l); err != nil {
				return err
			}
		}
		start, err := c.fleetStart(ctx, l)
		if err != nil {
			return err
		}
		r.Fleet.Starts = append(r.Fleet.Starts, start)
		say("  first slice after %s s, all after %s s, %v writes, %s MB", seconds(start.First), seconds(start.All), start.Writes, megabytes(start.Memory))
	}
	say("%d EC2 instances: nothing changes, for %s", o.fleet, idleFor)
	if r.Fleet.Idle, err = c.fleetIdle(ctx, l, idleFor); err != nil {
		return err
	}
	return c.removeFleet(ctx, l)
}

func (c *controlPlane) fleetStart(ctx context.Context, l *lane) (start fleetStart, err error) {
	if _, err := l.audit.take(l.namespace); err != nil {
		return start, err
	}
	spent, err := meter(l.side, 0)
	if err != nil {
		return start, err
	}
	c.aws.ForgetRequests()
	l.slices.expect(l.addresses, true)
	began := now()
	for _, make := range []func() error{
		func() error { return c.client.Create(ctx, fleetIdentity()) },
		func() error { return createService(ctx, c.kube, l.namespace, nil) },
		func() error { return c.client.Create(ctx, fleetBackend(l.namespace)) },
	} {
		if err := make(); err != nil {
			return start, err
		}
	}
	if err := l.ready(ctx); err != nil {
		return start, err
	}
	start.First, start.All = l.slices.span(began)
	start.Calls = c.aws.Counts()
	if start.CPU, err = spent(); err != nil {
		return start, err
	}
	if start.Memory, start.Peak, err = memory(c.operator.cmd.Process.Pid); err != nil {
		return start, err
	}
	start.Writes, err = l.audit.take(l.namespace)
	return start, err
}

// fleetIdle watches a published fleet, whose addresses are hardly checked any more.
func (c *controlPlane) fleetIdle(ctx context.Context, l *lane, duration time.Duration) (idle fleetIdle, err error) {
	eb := fleetBackend(l.namespace)
	patch := fmt.Appendf(nil, `{"spec":{"healthCheck":{"interval":%q}}}`, calm.String())
	if err := c.client.Patch(ctx, eb, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return idle, err
	}
	if err := sleep(ctx, 2*checkInterval); err != nil {
		return idle, err
	}
	if err := l.slices.quiet(ctx, atRest); err != nil {
		return idle, err
	}
	before, err := c.fleetVersions(ctx, l)
	if err != nil {
		return idle, err
	}
	if _, err := l.audit.take(l.namespace); err != nil {
		return idle, err
	}
	c.aws.ForgetRequests()
	looks, err := c.lookAtOperator(ctx, duration)
	if err != nil {
		return idle, err
	}
	idle.Calls, idle.Refreshes = c.aws.Counts(), refreshes(c.aws.Requests("DescribeInstances"))
	idle.Took = looks[len(looks)-1].at.since(looks[0].at)
	idle.CPU, idle.Idle = attribute(looks, refreshTail)
	if idle.Refreshes > 0 {
		idle.CPU /= time.Duration(idle.Refreshes)
	}
	after, err := c.fleetVersions(ctx, l)
	if err != nil {
		return idle, err
	}
	idle.Patched = before != after
	if idle.Memory, _, err = memory(c.operator.cmd.Process.Pid); err != nil {
		return idle, err
	}
	idle.Writes, err = l.audit.take(l.namespace)
	return idle, err
}

// lookAtOperator looks at the operator again and again for some time.
func (c *controlPlane) lookAtOperator(ctx context.Context, duration time.Duration) (looks []look, err error) {
	for began := now(); ; {
		cpu, err := c.operator.cpuTime()
		if err != nil {
			return nil, err
		}
		looks = append(looks, look{at: now(), cpu: cpu, requests: c.aws.Count()})
		if now().since(began) >= duration {
			return looks, nil
		}
		if err := sleep(ctx, sampled); err != nil {
			return nil, err
		}
	}
}

// fleetVersions are the versions of what the operator could have written to.
func (c *controlPlane) fleetVersions(ctx context.Context, l *lane) (versions [2]string, err error) {
	for n, object := range []client.Object{fleetBackend(l.namespace), fleetIdentity()} {
		if err := c.client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return versions, err
		}
		versions[n] = object.GetResourceVersion()
	}
	return versions, nil
}

// removeFleet removes all that fleetStart made.
func (c *controlPlane) removeFleet(ctx context.Context, l *lane) error {
	if err := c.remove(ctx, l); err != nil {
		return err
	}
	if err := c.client.Delete(ctx, fleetIdentity()); err != nil {
		return err
	}
	return poll(ctx, "the AWSIdentity is still there", func(ctx context.Context) (bool, error) {
		identity := fleetIdentity()
		err := c.client.Get(ctx, client.ObjectKeyFromObject(identity), identity)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

func fleetIdentity() *v1alpha1.AWSIdentity {
	return &v1alpha1.AWSIdentity{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.DefaultAWSIdentity},
		Spec: v1alpha1.AWSIdentitySpec{
			AllowedNamespaces: &v1alpha1.NamespaceSelector{}, Regions: []v1alpha1.Region{awsRegion},
		},
	}
}

func fleetBackend(namespace string) *v1alpha1.ExternalBackend {
	eb := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "fleet"}}
	eb.Spec.Service.Name = serviceName
	eb.Spec.HealthCheck.Interval = v1alpha1.Duration(checkInterval.String())
	eb.Spec.Targets = []v1alpha1.Target{{Name: "web", EC2: &v1alpha1.EC2Target{
		Region: awsRegion,
		Selector: v1alpha1.InstanceSelector{
			Filters: []v1alpha1.InstanceFilter{{Name: "tag:app", Values: []v1alpha1.FilterValue{"web"}}},
		},
	}}}
	return eb
}
