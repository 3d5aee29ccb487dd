// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"

	"externalbackend.dev/operator/internal/health"
)

// finding is what an execution found out.
type finding struct {
	outcome health.Outcome
	reason  health.Reason
	code    uint16 // the HTTP status code that the reason is about; else 0
}

var passed = finding{outcome: health.Pass}

func failed(r health.Reason) finding { return finding{outcome: health.Fail, reason: r} }

// unexpected is about an HTTP status code, of three digits.
func unexpected(code int) finding {
	return finding{health.Fail, health.UnexpectedStatus(code), uint16(code)} //nolint:gosec // it is below 1000
}

func undecided(r health.Reason) finding { return finding{outcome: health.Indeterminate, reason: r} }

// errDenied is returned by a dial that the guard stopped at connect time.
var errDenied = errors.New("connecting to this address is forbidden by policy")

// byErrno says what the system's error numbers mean. What they blame on the
// target is a Fail; what they blame on this side is no evidence.
var byErrno = map[syscall.Errno]finding{
	syscall.ECONNREFUSED: failed(health.ConnectionRefused),
	syscall.ECONNRESET:   failed(health.ConnectionReset),
	syscall.ECONNABORTED: failed(health.ConnectionReset),
	syscall.EPIPE:        failed(health.ConnectionReset),
	syscall.EHOSTUNREACH: failed(health.HostUnreachable),
	syscall.EHOSTDOWN:    failed(health.HostUnreachable),

	syscall.ENETUNREACH:   undecided(health.NetworkUnreachable),
	syscall.ENETDOWN:      undecided(health.NetworkUnreachable),
	syscall.EAFNOSUPPORT:  undecided(health.NetworkUnreachable),
	syscall.EMFILE:        undecided(health.LocalResources),
	syscall.ENFILE:        undecided(health.LocalResources),
	syscall.EADDRNOTAVAIL: undecided(health.LocalResources),
	syscall.EAGAIN:        undecided(health.LocalResources),
	syscall.ENOBUFS:       undecided(health.LocalResources),
	syscall.ENOMEM:        undecided(health.LocalResources),
	syscall.EPERM:         undecided(health.LocalPermission),
	syscall.EACCES:        undecided(health.LocalPermission),
}

// closings are reasons that may be because a target lost its patience.
var closings = []health.Reason{health.ConnectionClosed, health.ConnectionReset, health.TLSHandshakeFailed}

// excuse takes back what a target is blamed for if it may have closed the
// connection because the check was late with its part.
func (v *visit) excuse(f finding) finding {
	if v.delayed() && slices.Contains(closings, f.reason) {
		return undecided(health.SchedulingDelay)
	}
	return f
}

// classify says what an error of the network means. timeout is the reason if
// the check ran out of time at this point. Errors that nobody knows are no
// evidence.
func classify(ctx context.Context, err error, timeout health.Reason) finding {
	switch ctx.Err() {
	case context.Canceled:
		return undecided(health.Canceled)
	case context.DeadlineExceeded:
		return failed(timeout)
	}
	var errno syscall.Errno
	switch {
	case errors.Is(err, errDenied):
		return undecided(health.AddressDenied)
	case errors.Is(err, errNoTurn):
		return undecided(health.SchedulingDelay)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return failed(timeout)
	case errors.As(err, &errno):
		if f, known := byErrno[errno]; known {
			return f
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failed(health.ConnectionClosed)
	}
	return undecided(health.LocalError)
}

// classifyTLS says what an error of a TLS handshake means.
func classifyTLS(ctx context.Context, err error) finding {
	if f := classify(ctx, err, health.TLSHandshakeTimeout); f.reason != health.LocalError && f.reason != health.ConnectionClosed {
		return f
	}
	var (
		name    x509.HostnameError
		signer  x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		roots   x509.SystemRootsError
		verify  *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &roots):
		return undecided(health.LocalError)
	case errors.As(err, &name):
		return failed(health.CertificateNameMismatch)
	case errors.As(err, &signer):
		return failed(health.CertificateUntrusted)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return failed(health.CertificateExpired)
	case errors.As(err, &verify):
		return failed(health.CertificateInvalid)
	default:
		return failed(health.TLSHandshakeFailed)
	}
}
