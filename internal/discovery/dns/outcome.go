// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import "strconv"

// Outcome is what became of a query. The order is by how much it tells: of the
// outcomes of several servers the first one is that of the query.
type Outcome uint8

// Definitive outcomes say what the name has. Nothing else may remove a record.
const (
	// Answered: there are records of the type.
	Answered Outcome = iota + 1
	// Empty: the name exists and has no record of the type (RFC 2308, 2.2), or an
	// SRV record says that the service is not available there (RFC 2782).
	Empty
	// NameError: the name does not exist, nor anything beneath it (RFC 1035, RFC
	// 8020); with a chain, the name at its end (RFC 6604).
	NameError
)

// Failures say nothing about what the name has.
const (
	// ServerFailure: the server could not find out (SERVFAIL, RFC 1035).
	ServerFailure Outcome = iota + 4
	// Refused: the server does not answer us, or not about this name (REFUSED).
	Refused
	// Malformed: a reply that is none. It cannot be parsed, is about another
	// question, is a referral to other servers, has a chain of CNAME records that
	// loops, forks or is longer than 16, only unusable records, or a response code
	// that is not for resolvers, such as FORMERR (RFC 1035) or BADVERS (RFC 6891).
	// Or it says that a name does not exist which has just had addresses of the
	// other family (RFC 8020).
	Malformed
	// Timeout: no server replied in time, or one closed the connection (RFC 7766).
	Timeout
	// Unreachable: no query left this machine: there is no server to ask, no
	// route to it, or no socket.
	Unreachable
)

// Definitive says whether the outcome tells what the name has.
func (o Outcome) Definitive() bool { return o >= Answered && o <= NameError }

// String returns the outcome in the form used in metrics and messages.
func (o Outcome) String() string {
	switch o {
	case Answered:
		return "Answered"
	case Empty:
		return "Empty"
	case NameError:
		return "NameError"
	case ServerFailure:
		return "ServerFailure"
	case Refused:
		return "Refused"
	case Malformed:
		return "Malformed"
	case Timeout:
		return "Timeout"
	case Unreachable:
		return "Unreachable"
	default:
		return "Outcome(" + strconv.Itoa(int(o)) + ")"
	}
}
