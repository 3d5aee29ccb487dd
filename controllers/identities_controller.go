// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
)

// identityWorkers is how many AWSIdentities are looked at at a time.
const identityWorkers = 4

// IdentityController has AWS asked with each AWSIdentity, and reports what it says.
// It does so on the leader only.
type IdentityController struct {
	Client client.Client
	// Live reads from the API server: Secrets are in no cache.
	Live       client.Reader
	Identities *Identities
	Instances  Instances
	Events     events.EventRecorder
	Clock      clock.Clock
	// Namespace is the operator's own, in which Secrets with access keys are; empty
	// if it is not known.
	Namespace string
	// Period between two reads of a Secret. Default: a minute.
	Period time.Duration

	queue workqueue.TypedDelayingInterface[string]
	keys  accessKeys
	mu    sync.Mutex
	kept  map[string]*keptIdentity
}

// keptIdentity is what was done for an identity. One worker at a time uses it.
type keptIdentity struct {
	// known is what it was when it was looked at last, and given what AWS is asked
	// with since; nil: nothing yet.
	known *KnownIdentity
	given *ec2.Identity
	// stored is the identity with the status that was patched last, and next is when
	// it may be patched again if no condition changes.
	stored *v1alpha1.AWSIdentity
	next   time.Time
	// failing is what has been logged and has not ended.
	failing map[awsCall]*ec2.Failure
}

// SetupWithManager has the identities looked at while the operator leads. What waits
// for that ends with ctx, also if it never does.
func (c *IdentityController) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	if c.Period <= 0 {
		c.Period = defaultSecretPeriod
	}
	c.keys = accessKeys{live: c.Live, clock: c.Clock, namespace: c.Namespace, period: c.Period}
	c.kept = make(map[string]*keptIdentity)
	c.queue = workqueue.NewTypedDelayingQueue[string]()
	context.AfterFunc(ctx, c.queue.ShutDown)
	if !c.Identities.Discover {
		return nil
	}
	c.Identities.revised = c.Look
	informer, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.AWSIdentity{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = informer.AddEventHandler(c.statusHandler())
	}
	if err != nil {
		return fmt.Errorf("watching AWSIdentities: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(c.lookForever)); err != nil {
		return fmt.Errorf("adding the controller of AWSIdentities: %w", err)
	}
	return nil
}

// statusHandler has an identity looked at of which the status may be other than it
// should be. What changes otherwise is told by the book.
func (c *IdentityController) statusHandler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, now any) {
			old, changed := before.(*v1alpha1.AWSIdentity), now.(*v1alpha1.AWSIdentity)
			if old.ResourceVersion != changed.ResourceVersion {
				c.Look(changed.Name)
			}
		},
	}
}

// Look has an identity looked at, because AWS says something else to it, or it has
// changed. It never blocks.
func (c *IdentityController) Look(name string) {
	if c.queue != nil {
		c.queue.Add(name)
	}
}

// lookForever looks at identities until ctx is done.
func (c *IdentityController) lookForever(ctx context.Context) error {
	work(ctx, c.queue, identityWorkers, func(name string) string { return name }, func(name string) {
		if after := c.look(ctx, name); after > 0 {
			c.queue.AddAfter(name, after)
		}
	})
	return nil
}

// look does for an identity what is to be done, and returns after what time to look
// again; zero: when woken.
func (c *IdentityController) look(ctx context.Context, name string) time.Duration {
	book := c.Identities.Book()
	if book == nil {
		return 0 // the first one wakes
	}
	known, ok := book.Of(name)
	if !ok {
		c.drop(name)
		return 0
	}
	k := c.keptOf(name)
	identity, problem, again := c.credentials(ctx, k, known)
	if ctx.Err() != nil {
		return 0
	}
	if k.given == nil || !reflect.DeepEqual(*k.given, identity) {
		c.Instances.SetIdentity(name, identity)
		k.given = &identity
	}
	c.log(ctx, k)
	if after := c.report(ctx, k, problem); after > 0 && (again == 0 || after < again) {
		again = after
	}
	return again
}

func (c *IdentityController) keptOf(name string) *keptIdentity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[name] == nil {
		c.kept[name] = &keptIdentity{}
	}
	return c.kept[name]
}

// drop forgets an identity that is gone.
func (c *IdentityController) drop(name string) {
	c.mu.Lock()
	delete(c.kept, name)
	c.mu.Unlock()
	c.forgetKeys()
	c.Instances.DropIdentity(name)
}

// forgetKeys drops the access keys that no identity names any more.
func (c *IdentityController) forgetKeys() {
	named := make(map[string]bool)
	book := c.Identities.Book()
	for _, known := range book.known {
		named[known.SecretName] = true
	}
	c.keys.keep(named)
}

// credentials returns what AWS is asked with on behalf of an identity. If that cannot
// be had, problem says what is wrong with its Secret. again is after what time to
// look at that again.
func (c *IdentityController) credentials(ctx context.Context, k *keptIdentity, known *KnownIdentity) (identity ec2.Identity, problem string, again time.Duration) {
	changed := k.known == nil || !k.known.same(known)
	if k.known = known; changed {
		c.forgetKeys()
	}
	identity = optionsOf(known)
	if known.Invalid != nil {
		identity.Unusable = true
		return identity, "", 0
	}
	if known.SecretName != "" {
		identity.AccessKey, problem, again = c.keys.get(ctx, known.SecretName, changed)
	}
	if problem != "" {
		identity.Unusable, identity.AccessKey = true, nil
		return identity, problem, again
	}
	if known.RoleARN != "" {
		identity.Role = &ec2.Role{ARN: known.RoleARN, ExternalID: known.ExternalID, SessionTags: known.SessionTags}
	}
	return identity, "", again
}

// optionsOf are what AWS is asked for on behalf of an identity, whether or not there
// are credentials: what was found out stays only as long as it is.
func optionsOf(known *KnownIdentity) ec2.Identity {
	identity := ec2.Identity{InstanceStatus: known.InstanceStatus, AutoScaling: known.AutoScaling, Region: ownRegion(known)}
	for _, q := range known.Queues {
		identity.Queues = append(identity.Queues, ec2.Queue{URL: q.URL, Region: q.Region})
	}
	return identity
}

// ownRegion is where it is asked who the credentials belong to; empty: nowhere.
func ownRegion(known *KnownIdentity) string {
	if len(known.Regions) == 0 {
		return ""
	}
	return known.Regions[0]
}
