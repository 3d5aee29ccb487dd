// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/util/intstr"

// HealthCheck says how the addresses of an ExternalBackend are checked.
//
// +kubebuilder:validation:XValidation:rule="!has(self.timeout) || [self.interval, self.timeout].exists(d, !d.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$')) || duration(self.timeout) <= duration(self.interval)",message="must not be longer than interval, which is 10s unless it is set",fieldPath=".timeout"
type HealthCheck struct {
	// interval from the start of one check of an address to the start of the
	// next, such as 10s or 1m30s: 1s to 1h. Default 10s.
	// +optional
	// +default="10s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be a duration from 1s to 1h in whole numbers, such as 10s or 1m30s"
	Interval Duration `json:"interval,omitempty"`

	// timeout of one check from dialling to the last byte, such as 500ms or 3s:
	// 100ms to interval. Default 3s, or interval where that is shorter.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="must be a duration from 100ms to 1h in whole numbers, such as 500ms or 3s"
	Timeout *Duration `json:"timeout,omitempty"`

	// healthyThreshold is the number of passed checks in a row after which an
	// unhealthy address is healthy again, 1 to 20. Default 2. An address that
	// was never judged needs one.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	HealthyThreshold int32 `json:"healthyThreshold,omitempty"`

	// unhealthyThreshold is the number of failed checks in a row after which a
	// healthy address is unhealthy, 1 to 20. Default 3.
	// +optional
	// +default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	UnhealthyThreshold int32 `json:"unhealthyThreshold,omitempty"`

	// edgeInterval replaces interval from the first result that speaks against
	// the present state of an address until the thresholds decide, so that the
	// decision falls sooner: 1s to 1h. Default 2s. It never makes checks rarer
	// than interval does, nor closer together than timeout.
	// +optional
	// +default="2s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be a duration from 1s to 1h in whole numbers, such as 10s or 1m30s"
	EdgeInterval Duration `json:"edgeInterval,omitempty"`

	// unhealthyInterval replaces interval while an address is unhealthy: 1s to
	// 1h, but never shorter than timeout. Default: interval.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be a duration from 1s to 1h in whole numbers, such as 10s or 1m30s"
	UnhealthyInterval *Duration `json:"unhealthyInterval,omitempty"`

	// initialState of an address that was never checked: Unhealthy (default)
	// keeps it out until its first passed check, Healthy lets it serve at once.
	// +optional
	// +default="Unhealthy"
	InitialState InitialState `json:"initialState,omitempty"`

	// checks must all pass for an address to be healthy, at most 8. Left out,
	// there is one tcp check of the first TCP port.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.size() == 1 || !self.exists(c, has(c.none))",message="a check of kind none must be the only one"
	// +kubebuilder:validation:XValidation:rule="self.map(c, has(c.tls) && has(c.tls.caBundle) ? c.tls.caBundle.size() : 0).sum() <= 131072",message="the caBundles of all checks together may hold at most 128 KiB: leave out certificates that no target needs"
	Checks []Check `json:"checks,omitempty"`
}

// InitialState is what an address counts as before its first check.
//
// +kubebuilder:validation:Enum=Unhealthy;Healthy
type InitialState string

const (
	// InitialStateUnhealthy keeps an address out until a check passed.
	InitialStateUnhealthy InitialState = "Unhealthy"
	// InitialStateHealthy lets an address serve until checks failed.
	InitialStateHealthy InitialState = "Healthy"
)

// Check is one check of every address. Exactly one kind of check is set: tcp,
// http or none.
//
// +kubebuilder:validation:XValidation:rule="[has(self.tcp), has(self.http), has(self.none)].filter(set, set).size() == 1",message="set exactly one kind of check: tcp, http or none"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || has(self.http)",message="tls goes with an http check only",fieldPath=".tls"
// +kubebuilder:validation:XValidation:rule="!has(self.none) || !has(self.port)",message="a check of kind none has no port",fieldPath=".port"
type Check struct {
	// name of the check, unique in this object: at most 63 lower-case letters,
	// digits and '-'.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be a DNS label: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	Name string `json:"name"`

	// port that is checked: the name of a published TCP port, or a number from
	// 1 to 65535, which need not be published. Default: the first TCP port.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (int(self) >= 1 && int(self) <= 65535) : string(self).matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a port, or a number from 1 to 65535"
	Port *intstr.IntOrString `json:"port,omitempty"`

	// tcp passes when a connection can be opened, which is reset at once. It
	// has no settings: write {}.
	// +optional
	TCP *TCPCheck `json:"tcp,omitempty"`

	// http sends one HTTP/1.1 request over a new connection and passes when the
	// response has an expected status and, if that is asked for, an expected
	// body. Redirects are not followed; at most 64 KiB of the body are read, and
	// never reported. {} asks for / and expects a status from 200 to 399.
	// +optional
	HTTP *HTTPCheck `json:"http,omitempty"`

	// none checks nothing: every address counts as healthy. It has no settings
	// (write {}), no port, and must be the only check.
	// +optional
	None *NoCheck `json:"none,omitempty"`

	// tls makes an http check use HTTPS. The certificate is verified; {} does so
	// with the certificates that the operator's system trusts.
	// +optional
	TLS *CheckTLS `json:"tls,omitempty"`
}

// TCPCheck opens a connection and resets it at once; the target's application
// is not disturbed.
type TCPCheck struct{}

// NoCheck is the absence of a check.
type NoCheck struct{}

// HTTPCheck sends one HTTP/1.1 request over a new connection. Redirects are
// not followed; at most 64 KiB of the body are read, and never reported.
//
// +kubebuilder:validation:XValidation:rule="!has(self.expectedBody) || !has(self.method) || self.method != 'HEAD'",message="a response to HEAD has no body: use method GET, or leave expectedBody out",fieldPath=".expectedBody"
type HTTPCheck struct {
	// path of the request, with an optional query, such as /healthz?full=1.
	// Default /.
	// +optional
	// +default="/"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[!-\"$-~]*$')",message="must begin with '/' and hold only printable ASCII characters without spaces and '#': percent-encode others"
	Path string `json:"path,omitempty"`

	// method of the request: GET (default), HEAD or OPTIONS.
	// +optional
	// +default="GET"
	// +kubebuilder:validation:Enum=GET;HEAD;OPTIONS
	Method string `json:"method,omitempty"`

	// hostname sent as Host, such as app.example.com, optionally followed by
	// ':' and a port. It is also the name that a certificate must be valid for,
	// unless tls.serverName is set. Default: the address that is checked.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=259
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*(:[1-9][0-9]{0,4})?$') && (!self.contains(':') || int(self.split(':')[1]) <= 65535)",message="must be a host name such as app.example.com, optionally followed by ':' and a port from 1 to 65535"
	Hostname string `json:"hostname,omitempty"`

	// headers sent with the request, at most 16. Credentials come from a Secret:
	// Authorization, Cookie and Proxy-Authorization are refused with a value, and
	// admitted with valueFrom. Headers that the connection itself needs are always
	// refused. Those that name a host, such as X-Forwarded-Host, are subject to
	// policy as hostname is.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Headers []HTTPHeader `json:"headers,omitempty"`

	// expectedStatuses are the statuses that pass the check: single ones such as
	// "204" and inclusive ranges such as "200-299", each in quotes, at most 16.
	// Default "200-399".
	// +optional
	// +default=["200-399"]
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	ExpectedStatuses []StatusRange `json:"expectedStatuses,omitempty"`

	// expectedBody is what the body of a response with an expected status must
	// hold. Left out, any body will do. An ExternalBackendPolicy of the namespace
	// has to allow it (spec.allow.checks.bodyMatching).
	// +optional
	ExpectedBody *ExpectedBody `json:"expectedBody,omitempty"`
}

// ExpectedBody is what the first 64 KiB of a body must hold, as the target sends
// them: nothing is unpacked. The rest is read up to there all the same, and none
// of it is ever reported.
//
// +kubebuilder:validation:XValidation:rule="has(self.contains) != has(self.matches)",message="set exactly one of contains and matches"
type ExpectedBody struct {
	// contains is a text that must occur in the body, such as "status":"UP": 1 to
	// 1024 printable characters, tabs and line breaks.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[\\t\\n\\r\\pL\\pM\\pN\\pP\\pS\\p{Zs}]*$')",message="must hold only printable characters, tabs and line breaks"
	Contains string `json:"contains,omitempty"`

	// matches is a regular expression in the syntax of RE2 that must match
	// somewhere in the body, such as "version":\s*"2[.]: 1 to 1024 characters. ^
	// and $ stand for the beginning and the end of what is read, and of each line
	// after (?m). It may become 1024 characters with every repetition written out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="''.matches(self) in [true, false]",message="must be a regular expression in the syntax of RE2, which has neither backreferences nor lookarounds"
	Matches string `json:"matches,omitempty"`
}

// StatusRange is an HTTP status such as "204", or an inclusive range such as
// "200-299".
//
// +kubebuilder:validation:MaxLength=7
// +kubebuilder:validation:XValidation:rule="self.matches('^[1-5][0-9]{2}(-[1-5][0-9]{2})?$') && (self.size() == 3 || int(self.substring(0, 3)) <= int(self.substring(4, 7)))",message="must be a status such as 204 or an ascending range such as 200-299, within 100 to 599"
type StatusRange string

// HTTPHeader is one request header.
//
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.valueFrom)",message="set exactly one of value and valueFrom"
// +kubebuilder:validation:XValidation:rule="!(self.name.lowerAscii() in ['host', 'connection', 'keep-alive', 'proxy-connection', 'content-length', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'user-agent'])",message="this header cannot be set: use http.hostname for Host, the connection's own headers are fixed",fieldPath=".name"
// +kubebuilder:validation:XValidation:rule="!has(self.value) || !(self.name.lowerAscii() in ['authorization', 'proxy-authorization', 'cookie'])",message="credentials do not belong in a spec, where every reader sees them: put the value into a Secret and name it with valueFrom.secretKeyRef",fieldPath=".value"
type HTTPHeader struct {
	// name of the header, such as X-Health-Check.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9!#$%&*+.^_|~-]+$')",message="must be a header name (RFC 9110 token)"
	Name string `json:"name"`

	// value of the header: printable ASCII characters. It may be empty.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\t -~]*$')",message="must hold only printable ASCII characters"
	Value *string `json:"value,omitempty"`

	// valueFrom says where the value is read, instead of value.
	// +optional
	ValueFrom *HTTPHeaderSource `json:"valueFrom,omitempty"`
}

// HTTPHeaderSource says where the value of a header is read.
type HTTPHeaderSource struct {
	// secretKeyRef names a Secret of the same namespace, and the key in it. The
	// Secret must be of type externalbackend.dev/check-credentials, and the
	// operator must have been given the right to read it.
	// +required
	SecretKeyRef *SecretKeyRef `json:"secretKeyRef,omitempty"`
}

// SecretKeyRef names a key of a Secret of the same namespace. What it holds is
// sent as it is, without a newline at its end: 1 byte to 8 KiB of printable ASCII
// characters. It is read once a minute.
type SecretKeyRef struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
	Name string `json:"name"`

	// key in the data of the Secret, such as authorization.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="must be a key of a Secret: letters, digits, '-', '_' and '.'"
	Key string `json:"key"`
}

// SecretTypeCheckCredentials is the type of the Secrets that checks may send. One
// of another type is never used, whoever refers to it: its owner has not said that
// it is meant for targets.
const SecretTypeCheckCredentials = "externalbackend.dev/check-credentials"

// CheckTLS says how the certificate of a target is verified.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.insecureSkipVerify) && self.insecureSkipVerify && has(self.caBundle))",message="has no effect with insecureSkipVerify: set one of them",fieldPath=".caBundle"
type CheckTLS struct {
	// serverName that the certificate must be valid for, also sent to the
	// target (SNI). Default: http.hostname, or else the address.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$')",message="must be a host name such as app.example.com"
	ServerName string `json:"serverName,omitempty"`

	// caBundle holds the certificates in PEM form that are trusted instead of
	// the public ones: at most 64 KiB, and 128 KiB in all checks together.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="must hold at least one PEM block '-----BEGIN CERTIFICATE-----'"
	CABundle string `json:"caBundle,omitempty"`

	// insecureSkipVerify accepts any certificate. The check then proves that
	// something answers, not that it is the right one. Default false.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}
