// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

const (
	sessionName = "externalbackend-operator"
	// sessionDuration is the longest that a role assumed with another one may have,
	// and that every role allows.
	sessionDuration = time.Hour
	// expiryWindow is how long before they run out credentials are renewed.
	expiryWindow = 5 * time.Minute
)

// session is an identity with its credentials, which all regions share.
type session struct {
	identity ec2.Identity
	own      *own
	trace    func(*middleware.Stack) error
	secrets  *secrets
	trust    *trust
	// role has the credentials of the assumed role; nil: none is assumed.
	role *aws.CredentialsCache
}

func newSession(identity ec2.Identity, own *own, observe observer) *session {
	s := &session{
		identity: identity,
		own:      own,
		trace:    attempts(newLimits(), observe),
		secrets:  &secrets{},
		trust:    newTrust(),
	}
	if identity.Role != nil {
		s.role = aws.NewCredentialsCache(assumer{s}, func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow = expiryWindow
			o.ExpiryWindowJitterFrac = 0.5
		})
	}
	return s
}

// config returns the settings for a region, with the session's credentials.
func (s *session) config(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := s.base(ctx, region)
	if err != nil {
		return aws.Config{}, err
	}
	if s.role != nil {
		cfg.Credentials = recorder{roleProvider{s.role, region, s.identity.Region}, s.secrets}
	}
	return cfg, nil
}

// base returns the settings for a region, with the credentials to assume the role
// with.
func (s *session) base(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := s.own.config(ctx, region)
	if err != nil {
		return aws.Config{}, err
	}
	if key := s.identity.AccessKey; key != nil {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(key.ID, key.Secret, key.SessionToken)
	}
	cfg.Credentials = recorder{cfg.Credentials, s.secrets}
	cfg.APIOptions = []func(*middleware.Stack) error{s.trace}
	return cfg, nil
}

// reject forgets credentials of the role that AWS does not accept, though they have
// not run out, by their access key.
func (s *session) reject(key string) {
	if s.role != nil && s.trust.reject(key) {
		s.role.Invalidate()
	}
}

// regionKey is the key of a context for the region where the role is assumed.
type regionKey struct{}

// roleProvider provides the credentials of the assumed role to one region. own is
// that of the identity; empty: it has none.
type roleProvider struct {
	cache       *aws.CredentialsCache
	region, own string
}

// Retrieve implements aws.CredentialsProvider. Whoever needs the credentials first
// assumes the role in its region. If that fails it says nothing about the others:
// one that has waited for it tries in its own. Where STS does not know the account,
// the role is assumed in the region of the identity.
func (p roleProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := p.retrieve(ctx, p.region)
	if failed, ok := errors.AsType[*roleError](err); ok && failed.region != p.region {
		creds, err = p.retrieve(ctx, p.region)
	}
	if p.own != "" && p.own != p.region && isNotEnabled(err) {
		creds, err = p.retrieve(ctx, p.own)
	}
	if used, ok := ctx.Value(usedKey{}).(*string); ok && err == nil {
		*used = creds.AccessKeyID
	}
	return creds, err
}

func (p roleProvider) retrieve(ctx context.Context, region string) (aws.Credentials, error) {
	return p.cache.Retrieve(context.WithValue(ctx, regionKey{}, region))
}

// isNotEnabled says whether STS has refused as it does in regions that are not
// enabled in the account.
func isNotEnabled(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "InvalidClientTokenId" || api.ErrorCode() == "RegionDisabledException")
}

// assumer assumes the role of a session.
type assumer struct{ session *session }

// Retrieve implements aws.CredentialsProvider. The cache that calls it keeps the
// deadline of its caller from it, who may not be the only one to wait.
func (a assumer) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	region, _ := ctx.Value(regionKey{}).(string)
	cfg, err := a.session.base(ctx, region)
	if err != nil {
		return aws.Credentials{}, &roleError{region, err}
	}
	client := stsClient{sts.NewFromConfig(cfg).AssumeRole}
	creds, err := stscreds.NewAssumeRoleProvider(client, a.session.identity.Role.ARN, a.options).Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &roleError{region, err}
	}
	a.session.trust.obtained(creds.AccessKeyID)
	return creds, nil
}

func (a assumer) options(o *stscreds.AssumeRoleOptions) {
	role := a.session.identity.Role
	o.RoleSessionName = sessionName
	o.Duration = sessionDuration
	if role.ExternalID != "" {
		o.ExternalID = &role.ExternalID
	}
	for key, value := range role.SessionTags {
		o.Tags = append(o.Tags, ststypes.Tag{Key: &key, Value: &value})
	}
	slices.SortFunc(o.Tags, func(a, b ststypes.Tag) int { return cmp.Compare(*a.Key, *b.Key) })
}

// stsClient has the one operation that assuming a role needs.
type stsClient struct {
	assume func(context.Context, *sts.AssumeRoleInput, ...func(*sts.Options)) (*sts.AssumeRoleOutput, error)
}

// AssumeRole implements stscreds.AssumeRoleAPIClient.
func (c stsClient) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, opts ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	return c.assume(ctx, in, opts...)
}

// roleError says in which region a role could not be assumed.
type roleError struct {
	region string
	err    error
}

func (e *roleError) Error() string { return e.err.Error() }
func (e *roleError) Unwrap() error { return e.err }

// RetryableError is for the SDK: assuming a role repeats its own requests.
func (*roleError) RetryableError() bool { return false }

// recorder notes the credentials that are used, so that no error tells them.
type recorder struct {
	inner   aws.CredentialsProvider
	secrets *secrets
}

// Retrieve implements aws.CredentialsProvider.
func (r recorder) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := r.inner.Retrieve(ctx)
	r.secrets.note(creds)
	return creds, err
}

// secrets are the credentials that were used last.
type secrets struct {
	mu    sync.Mutex
	known []string
}

// maxSecrets is enough for the credentials that assume a role and those of it, in
// two generations.
const maxSecrets = 12

func (s *secrets) note(creds aws.Credentials) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range []string{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken} {
		if secret == "" || slices.Contains(s.known, secret) {
			continue
		}
		s.known = append(s.known, secret)
		if len(s.known) > maxSecrets {
			s.known = slices.Delete(s.known, 0, 1)
		}
	}
}

func (s *secrets) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.known)
}
