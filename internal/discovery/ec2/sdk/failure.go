// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

var (
	errUnusable = errors.New("the identity has no credentials that could be used")
	errRegion   = errors.New("it is not the name of a region")
)

// kinds of failures by what AWS calls them.
var kinds = map[string]ec2.Kind{
	"UnauthorizedOperation":               ec2.AccessDenied,
	"AccessDenied":                        ec2.AccessDenied,
	"AccessDeniedException":               ec2.AccessDenied,
	"KMS.AccessDeniedException":           ec2.AccessDenied,
	"AuthFailure":                         ec2.CredentialsInvalid,
	"ExpiredToken":                        ec2.CredentialsInvalid,
	"ExpiredTokenException":               ec2.CredentialsInvalid,
	"IDPRejectedClaim":                    ec2.CredentialsInvalid,
	"IncompleteSignature":                 ec2.CredentialsInvalid,
	"InvalidAccessKeyId":                  ec2.CredentialsInvalid,
	"InvalidClientTokenId":                ec2.CredentialsInvalid,
	"InvalidIdentityToken":                ec2.CredentialsInvalid,
	"InvalidSignatureException":           ec2.CredentialsInvalid,
	"MissingAuthenticationToken":          ec2.CredentialsInvalid,
	"RequestExpired":                      ec2.CredentialsInvalid,
	"RequestTimeTooSkewed":                ec2.CredentialsInvalid,
	"SignatureDoesNotMatch":               ec2.CredentialsInvalid,
	"UnrecognizedClientException":         ec2.CredentialsInvalid,
	"InvalidRegion":                       ec2.RegionUnknown,
	"OptInRequired":                       ec2.RegionUnknown,
	"RegionDisabledException":             ec2.RegionUnknown,
	"InternalError":                       ec2.Unavailable,
	"InternalFailure":                     ec2.Unavailable,
	"RequestTimeout":                      ec2.Unavailable,
	"ServiceUnavailable":                  ec2.Unavailable,
	"Unavailable":                         ec2.Unavailable,
	"IDPCommunicationError":               ec2.Unavailable,
	"MissingAuthenticationTokenException": ec2.CredentialsInvalid,
}

// failureOf returns the failure that an error is, without Err. An error on the way
// to credentials is that of the call which failed there.
func failureOf(err error, action, region string) *ec2.Failure {
	failure := &ec2.Failure{Kind: ec2.Unavailable, Action: action}
	inner := operationOf(err)
	if _, ok := errors.AsType[*ownError](err); ok && (inner == nil || inner.ServiceID != "STS" || inner.OperationName != "AssumeRoleWithWebIdentity") {
		failure.Kind = ec2.CredentialsUnavailable
		return failure
	}
	if inner != nil && inner.ServiceID == "STS" {
		failure.Action = "sts:" + inner.OperationName
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		failure.Code = api.ErrorCode()
		if strings.HasPrefix(failure.Code, "KMS.") {
			failure.Action = "kms:Decrypt"
		}
		if strings.Contains(api.ErrorMessage(), "sts:TagSession") {
			failure.Action = "sts:TagSession"
		}
	}
	failure.Kind = kindOf(err, failure.Code, region)
	failure.Code = cmp.Or(failure.Code, codeOfStatus(err))
	if failure.Kind == ec2.AccessDenied && inner != nil && strings.HasPrefix(inner.OperationName, "AssumeRole") {
		failure.Kind = ec2.CredentialsInvalid // there are none for the call: no permission of the role helps
	}
	return failure
}

// codeOfStatus returns the status of an answer that says that there are too many
// calls, maybe without a code. Only the limit of this program has none at all.
func codeOfStatus(err error) string {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || response.HTTPStatusCode() != http.StatusTooManyRequests {
		return ""
	}
	return strconv.Itoa(http.StatusTooManyRequests)
}

// operationOf returns the innermost operation that failed; nil: none.
func operationOf(err error) *smithy.OperationError {
	var inner *smithy.OperationError
	for {
		next, ok := errors.AsType[*smithy.OperationError](err)
		if !ok {
			return inner
		}
		inner, err = next, next.Err
	}
}

func kindOf(err error, code, region string) ec2.Kind {
	if kind, ok := kinds[code]; ok {
		return kind
	}
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return ec2.Throttled
	}
	status := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	switch {
	case status == http.StatusTooManyRequests:
		return ec2.Throttled
	case status >= 500:
		return ec2.Unavailable
	case code != "" && strings.Contains(err.Error(), "not a valid region"):
		return ec2.RegionUnknown
	}
	return kindOfTransport(err, code, region)
}

func kindOfTransport(err error, code, region string) ec2.Kind {
	if _, ok := errors.AsType[*limitError](err); ok {
		return ec2.Throttled
	}
	if unknownHost(err, region) {
		return ec2.RegionUnknown
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return ec2.Unavailable
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return ec2.Malformed
	}
	if _, ok := errors.AsType[smithy.InvalidParamsError](err); ok || code != "" {
		return ec2.Refused
	}
	return ec2.Unavailable
}

// unknownHost says whether the host of an AWS service in the region does not exist,
// which is how a region that does not exist is told. Only the word of a resolver
// that there is no such name counts: a resolver that fails says nothing about it.
func unknownHost(err error, region string) bool {
	lookup, ok := errors.AsType[*net.DNSError](err)
	if !ok || !lookup.IsNotFound {
		return false
	}
	name := strings.TrimSuffix(lookup.Name, ".")
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"} {
		if strings.HasSuffix(name, "."+region+suffix) {
			return true
		}
	}
	return false
}

var regionPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func validRegion(region string) bool { return regionPattern.MatchString(region) }

// outcome names how an attempt ended.
func outcome(err error, region string) string {
	if err == nil {
		return "ok"
	}
	return string(failureOf(err, "", region).Kind)
}
