// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

const (
	maxAttempts = 5
	maxBackoff  = 20 * time.Second
	// metadataTimeout bounds how long the instance metadata service is waited for,
	// which is asked last and is often not reachable from a Pod.
	metadataTimeout = 2 * time.Second
)

// own loads the settings of the SDK and the operator's own credentials: those of
// the environment, a web identity token, a container's credentials, or else the
// instance metadata service.
type own struct {
	client *http.Client
	trace  func(*middleware.Stack) error

	mu sync.Mutex
	// loaded by the region where the credentials are obtained. A region that a user
	// has got wrong must not be the one for everybody.
	loaded map[string]aws.Config
}

func newOwn(client *http.Client, observe observer) *own {
	return &own{
		client: client,
		trace:  attempts(newLimits(), observe),
		loaded: map[string]aws.Config{},
	}
}

// config returns the settings, with the operator's own credentials. They are loaded
// when they are first needed; a failure is not kept.
func (o *own) config(ctx context.Context, region string) (aws.Config, error) {
	at := region
	for _, name := range []string{"AWS_DEFAULT_REGION", "AWS_REGION"} {
		if value := os.Getenv(name); value != "" {
			at = value
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	loaded, ok := o.loaded[at]
	if !ok {
		var err error
		if loaded, err = o.load(ctx, at); err != nil {
			return aws.Config{}, &ownError{err}
		}
		o.loaded[at] = loaded
	}
	loaded = loaded.Copy()
	loaded.Region = region
	return loaded, nil
}

func (o *own) load(ctx context.Context, region string) (aws.Config, error) {
	web := &webIdentity{}
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region),
		config.WithHTTPClient(newBuildable()),
		config.WithRetryer(newRetryer),
		config.WithAPIOptions([]func(*middleware.Stack) error{o.trace}),
		config.WithLogger(logging.Nop{}),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) { o.Client = web }),
	)
	if err != nil {
		return aws.Config{}, err
	}
	cfg.HTTPClient = trusting(o.client, cfg.HTTPClient)
	// The retryer says how often, not AWS_MAX_ATTEMPTS.
	cfg.RetryMaxAttempts = 0
	web.assume = sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity
	provider := ownProvider{inner: cfg.Credentials, timeout: callTimeout}
	if aws.IsCredentialsProvider(cfg.Credentials, (*ec2rolecreds.Provider)(nil)) {
		provider.timeout = metadataTimeout
	}
	cfg.Credentials = provider
	return cfg, nil
}

// webIdentity exchanges web identity tokens. The client that the SDK would make for
// it knows not all of the settings yet, such as AWS_ENDPOINT_URL.
type webIdentity struct {
	assume func(context.Context, *sts.AssumeRoleWithWebIdentityInput, ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error)
}

// AssumeRoleWithWebIdentity implements stscreds.AssumeRoleWithWebIdentityAPIClient.
func (w *webIdentity) AssumeRoleWithWebIdentity(
	ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, options ...func(*sts.Options),
) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	return w.assume(ctx, in, options...)
}

// newRetryer returns the standard one without its quota, which all calls would
// share: the rate is limited elsewhere.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = maxBackoff
		o.RateLimiter = ratelimit.None
	})
}

// ownProvider provides the operator's own credentials, from a cache.
type ownProvider struct {
	inner   aws.CredentialsProvider
	timeout time.Duration
}

// Retrieve implements aws.CredentialsProvider.
func (p ownProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	creds, err := p.inner.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &ownError{err}
	}
	return creds, nil
}

// ownError says that the operator's own credentials were not obtained.
type ownError struct{ err error }

func (e *ownError) Error() string { return "no credentials of the operator's own: " + e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

// RetryableError is for the SDK: obtaining credentials repeats its own requests.
func (*ownError) RetryableError() bool { return false }
