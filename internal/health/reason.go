// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

// Reason names why a check did not pass. Reasons are enumerated, never free
// text: nothing that a target sends ends up in status, events or metrics.
type Reason string

// Reasons of a Fail: the target answered wrongly, or not at all.
const (
	// ConnectionRefused: the host answered that nothing listens on the port.
	ConnectionRefused Reason = "ConnectionRefused"
	// ConnectionReset: the connection was made and then reset by the peer.
	ConnectionReset Reason = "ConnectionReset"
	// ConnectionClosed: the peer closed before a complete response.
	ConnectionClosed Reason = "ConnectionClosed"
	// ConnectTimeout: no connection within the timeout.
	ConnectTimeout Reason = "ConnectTimeout"
	// ResponseTimeout: connected, but no complete response within the timeout.
	ResponseTimeout Reason = "ResponseTimeout"
	// HostUnreachable: a router, or neighbour discovery, reported that the
	// host cannot be reached.
	HostUnreachable Reason = "HostUnreachable"
	// UnexpectedStatus1xx: an informational HTTP status as the final answer.
	UnexpectedStatus1xx Reason = "UnexpectedStatus1xx"
	// UnexpectedStatus2xx: a 2xx HTTP status outside the expected ones.
	UnexpectedStatus2xx Reason = "UnexpectedStatus2xx"
	// UnexpectedStatus3xx: a 3xx HTTP status outside the expected ones.
	// Redirects are never followed.
	UnexpectedStatus3xx Reason = "UnexpectedStatus3xx"
	// UnexpectedStatus4xx: a 4xx HTTP status outside the expected ones.
	UnexpectedStatus4xx Reason = "UnexpectedStatus4xx"
	// UnexpectedStatus5xx: a 5xx HTTP status outside the expected ones.
	UnexpectedStatus5xx Reason = "UnexpectedStatus5xx"
	// UnexpectedStatusOther: an HTTP status of 600 or more.
	UnexpectedStatusOther Reason = "UnexpectedStatusOther"
	// UnexpectedBody: the status is expected, and the body is not.
	UnexpectedBody Reason = "UnexpectedBody"
	// InvalidResponse: the answer does not follow the protocol.
	InvalidResponse Reason = "InvalidResponse"
	// ResponseTooLarge: the HTTP response header exceeds 16 KiB. The size of
	// a body is never a failure.
	ResponseTooLarge Reason = "ResponseTooLarge"
	// TLSHandshakeTimeout: connected, but no TLS session within the timeout.
	TLSHandshakeTimeout Reason = "TLSHandshakeTimeout"
	// TLSHandshakeFailed: the peer speaks no TLS, or no version or cipher
	// that we accept, or sent an alert.
	TLSHandshakeFailed Reason = "TLSHandshakeFailed"
	// CertificateExpired: the certificate is expired or not valid yet.
	CertificateExpired Reason = "CertificateExpired"
	// CertificateUntrusted: no trusted authority signed the certificate.
	CertificateUntrusted Reason = "CertificateUntrusted"
	// CertificateNameMismatch: the certificate is for another name.
	CertificateNameMismatch Reason = "CertificateNameMismatch"
	// CertificateInvalid: the certificate breaks another rule, such as its
	// permitted usage.
	CertificateInvalid Reason = "CertificateInvalid"
)

// Reasons of an Indeterminate: the cause is on the checker's side.
const (
	// NetworkUnreachable: there is no route from here, or no address of that
	// family.
	NetworkUnreachable Reason = "NetworkUnreachable"
	// LocalResources: the checker ran out of file descriptors, local ports or
	// socket memory.
	LocalResources Reason = "LocalResources"
	// LocalPermission: the local system forbade the connection (EPERM,
	// EACCES), such as an egress firewall on the checker's host.
	LocalPermission Reason = "LocalPermission"
	// LocalError: another local error that says nothing about the target.
	LocalError Reason = "LocalError"
	// InvalidCABundle: the check's CA bundle holds no usable certificate.
	InvalidCABundle Reason = "InvalidCABundle"
	// AddressDenied: policy forbids connecting to this address.
	AddressDenied Reason = "AddressDenied"
	// TooManyChecks: the namespace has more checks than the checker accepts.
	TooManyChecks Reason = "TooManyChecks"
	// SecretUnread: the Secret with a credential of the check has not been read
	// yet.
	SecretUnread Reason = "SecretUnread"
	// SecretForbidden: the operator may not read the Secret.
	SecretForbidden Reason = "SecretForbidden"
	// SecretNotFound: the Secret does not exist.
	SecretNotFound Reason = "SecretNotFound"
	// SecretTypeMismatch: the Secret is not of the type that is meant for checks.
	SecretTypeMismatch Reason = "SecretTypeMismatch"
	// SecretKeyNotFound: the Secret does not have the key.
	SecretKeyNotFound Reason = "SecretKeyNotFound"
	// InvalidSecretValue: what the Secret holds is empty or no header value.
	InvalidSecretValue Reason = "InvalidSecretValue"
	// Canceled: the check was stopped, by shutdown or a changed definition.
	Canceled Reason = "Canceled"
	// SchedulingDelay: the checker itself was stalled for a considerable part
	// of the timeout, so that the timeout proves nothing, or it ended the check
	// early for the sake of others.
	SchedulingDelay Reason = "SchedulingDelay"
)

// IsTimeout says whether the reason is that time ran out.
func (r Reason) IsTimeout() bool {
	return r == ConnectTimeout || r == ResponseTimeout || r == TLSHandshakeTimeout
}

// UnexpectedStatus returns the reason for an HTTP status code that was not
// expected.
func UnexpectedStatus(code int) Reason {
	switch code / 100 {
	case 1:
		return UnexpectedStatus1xx
	case 2:
		return UnexpectedStatus2xx
	case 3:
		return UnexpectedStatus3xx
	case 4:
		return UnexpectedStatus4xx
	case 5:
		return UnexpectedStatus5xx
	default:
		return UnexpectedStatusOther
	}
}
