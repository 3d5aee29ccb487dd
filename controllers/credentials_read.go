// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
)

const (
	// secretTimeout bounds one read, so that some that get no answer do not keep
	// all readers for long.
	secretTimeout = 5 * time.Second
	// secretRetry is the time after which a Secret is read again that cannot be
	// used or could not be read. It doubles up to the period.
	secretRetry = 5 * time.Second
	// maxCredential bounds a value, in bytes, as servers bound a header.
	maxCredential = 8 << 10
)

// read reads one Secret and has it read again later, as long as somebody refers to
// it.
func (c *Credentials) read(ctx context.Context, name types.NamespacedName) {
	c.mu.RLock()
	wanted := c.secrets[name] != nil
	c.mu.RUnlock()
	if !wanted {
		return
	}
	asking, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	var found corev1.Secret
	err := c.Live.Get(asking, name, &found)
	if ctx.Err() != nil {
		return
	}
	again, concerned, ok := c.take(name, &found, err)
	if !ok {
		return // it was forgotten meanwhile
	}
	if passing(err) {
		logf.FromContext(ctx).Error(err, "Failed to read a Secret with credentials of checks, going on with what was known",
			"namespace", name.Namespace, "name", name.Name, "after", again)
	}
	c.queue.AddAfter(name, again)
	for _, sub := range concerned {
		c.Changed(sub)
	}
}

// passing says whether an error tells nothing about a Secret.
func passing(err error) bool {
	return err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err)
}

// take keeps what a read has found. It returns when to read again, and who is to
// know that something else is in the way than before.
func (c *Credentials) take(name types.NamespacedName, found *corev1.Secret, err error) (again time.Duration, concerned []health.Subscriber, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.secrets[name]
	if s == nil {
		return 0, nil, false
	}
	changed, wrong := false, err != nil
	if passing(err) {
		changed, s.unread = !s.unread, true
	} else {
		changed, s.unread = s.unread, false
		for key := range c.keysOf(name, s) {
			now := judge(found, key, err)
			changed = changed || s.values[key].problem != now.problem
			wrong = wrong || now.problem != ""
			s.values[key] = now
		}
	}
	switch again = c.Period; {
	case wrong:
		again = min(c.Period, secretRetry<<min(s.problems, 8))
		s.problems, s.settled = s.problems+1, false
	case !s.settled:
		again = wait.Jitter(c.Period/2, 1) // many may have been read together
		s.problems, s.settled = 0, true
	}
	if changed {
		concerned = slices.Collect(maps.Keys(s.users))
	}
	return again, concerned, true
}

// judge says what a Secret, or the failure to read it, means for one key.
func judge(found *corev1.Secret, key string, err error) credential {
	data, has := found.Data[key]
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case apierrors.IsNotFound(err):
		return credential{problem: health.SecretNotFound}
	case err != nil:
		return credential{problem: health.SecretForbidden}
	case found.Type != v1alpha1.SecretTypeCheckCredentials:
		return credential{problem: health.SecretTypeMismatch}
	case !has:
		return credential{problem: health.SecretKeyNotFound}
	case value == "" || len(value) > maxCredential || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return credential{problem: health.InvalidSecretValue}
	}
	return credential{value: value}
}
