// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
)

// Bounds of what is in an access key, in bytes.
const (
	maxAccessKeyID     = 128
	maxSecretAccessKey = 256
	maxSessionToken    = 8 << 10
)

// accessKeys reads the Secrets that AWSIdentities name, and is the only place that
// keeps what is in them. However many identities name one, it is read once in a
// period.
type accessKeys struct {
	// live reads from the API server: Secrets are in no cache.
	live  client.Reader
	clock clock.Clock
	// namespace is the operator's own; empty if it is not known.
	namespace string
	period    time.Duration

	mu      sync.Mutex
	secrets map[string]*accessKey // by name
}

// accessKey is what is known of a Secret.
type accessKey struct {
	mu sync.Mutex // held while it is read
	// key is nil while none is usable, and problem then says why, and what to do.
	key     *ec2.AccessKey
	problem string
	// failures is how many reads in a row found no key to use, or none at all.
	failures int
	// due is when it is to be read again.
	due time.Time
}

// get returns the key in a Secret or, in its place, what is wrong and what to do,
// and after what time to ask again. The Secret is read if that is due or fresh is
// true.
func (a *accessKeys) get(ctx context.Context, name string, fresh bool) (key *ec2.AccessKey, problem string, again time.Duration) {
	if a.namespace == "" {
		return nil, "the operator does not know its own namespace, where Secret " + name + " must be: run it in a cluster, or set its flag --leader-election-namespace", 0
	}
	s := a.of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh || !a.clock.Now().Before(s.due) {
		a.read(ctx, name, s)
	}
	return s.key, s.problem, max(s.due.Sub(a.clock.Now()), time.Millisecond)
}

func (a *accessKeys) of(name string) *accessKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.secrets == nil {
		a.secrets = make(map[string]*accessKey)
	}
	if a.secrets[name] == nil {
		a.secrets[name] = &accessKey{}
	}
	return a.secrets[name]
}

// keep drops what was in Secrets other than these.
func (a *accessKeys) keep(named map[string]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.secrets, func(name string, _ *accessKey) bool { return !named[name] })
}

// read reads a Secret. What it says holds at once; as long as it cannot be read,
// what it said last does.
func (a *accessKeys) read(ctx context.Context, name string, s *accessKey) {
	asking, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	var found corev1.Secret
	err := a.live.Get(asking, types.NamespacedName{Namespace: a.namespace, Name: name}, &found)
	where := fmt.Sprintf("Secret %s of namespace %s", name, a.namespace)
	if passing(err) {
		if ctx.Err() == nil {
			logf.FromContext(ctx).Error(err, "Failed to read a Secret with an AWS access key, going on with what was known", "namespace", a.namespace, "name", name)
		}
		if s.key == nil && s.problem == "" {
			s.problem = where + " could not be read yet: the log of the operator says why, and it is tried again"
		}
	} else {
		s.key, s.problem = judgeAccessKey(where, &found, err)
	}
	after := a.period
	if s.failures++; err == nil && s.key != nil {
		s.failures = 0
	} else {
		after = min(a.period, secretRetry<<min(s.failures-1, 8))
	}
	s.due = a.clock.Now().Add(after)
}

// judgeAccessKey returns the key in a Secret, or what is wrong with the Secret, or
// with reading it, and what to do.
func judgeAccessKey(where string, found *corev1.Secret, err error) (*ec2.AccessKey, string) {
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Sprintf("%s does not exist: create it with the type %s and the keys %s and %s",
			where, v1alpha1.SecretTypeAWSAccessKey, v1alpha1.SecretKeyAccessKeyID, v1alpha1.SecretKeySecretAccessKey)
	case err != nil:
		return nil, where + " may not be read by the operator: bind the Role access-key-reader of the installation to the operator's ServiceAccount there"
	case found.Type != v1alpha1.SecretTypeAWSAccessKey:
		return nil, fmt.Sprintf("%s is of type %q: create it anew with the type %s, which cannot be changed later", where, found.Type, v1alpha1.SecretTypeAWSAccessKey)
	}
	var key ec2.AccessKey
	for _, part := range []struct {
		name     string
		most     int
		optional bool
		into     *string
	}{
		{v1alpha1.SecretKeyAccessKeyID, maxAccessKeyID, false, &key.ID},
		{v1alpha1.SecretKeySecretAccessKey, maxSecretAccessKey, false, &key.Secret},
		{v1alpha1.SecretKeySessionToken, maxSessionToken, true, &key.SessionToken},
	} {
		data, has := found.Data[part.name]
		value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		switch {
		case !has && part.optional:
			continue
		case !has:
			return nil, fmt.Sprintf("%s has no key %s: add it", where, part.name)
		case value == "":
			return nil, fmt.Sprintf("%s has an empty value in the key %s: correct it", where, part.name)
		case len(value) > part.most:
			return nil, fmt.Sprintf("%s has more than %d bytes in the key %s: correct it", where, part.most, part.name)
		case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Sprintf("%s has other characters than letters, digits and punctuation in the key %s: correct it", where, part.name)
		}
		*part.into = value
	}
	return &key, ""
}
