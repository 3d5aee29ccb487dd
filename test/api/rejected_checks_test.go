// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	notASecondsSpan = "must be a duration from 1s to 1h in whole numbers, such as 10s or 1m30s"
	notATimeout     = "must be a duration from 100ms to 1h in whole numbers, such as 500ms or 3s"
	timeoutTooLong  = "must not be longer than interval, which is 10s unless it is set"
	notOneCheck     = "set exactly one kind of check: tcp, http or none"
	notOnlyNone     = "a check of kind none must be the only one"
	tooManyBundles  = "the caBundles of all checks together may hold at most 128 KiB: leave out certificates that no target needs"
	tlsWithoutHTTP  = "tls goes with an http check only"
	noneWithPort    = "a check of kind none has no port"
	notACheckPort   = "must be the name of a port, or a number from 1 to 65535"
	notAPath        = "must begin with '/' and hold only printable ASCII characters without spaces and '#': percent-encode others"
	notAHost        = "must be a host name such as app.example.com, optionally followed by ':' and a port from 1 to 65535"
	notAServerName  = "must be a host name such as app.example.com"
	notAHeaderName  = "must be a header name (RFC 9110 token)"
	notAHeaderValue = "must hold only printable ASCII characters"
	reservedHeader  = "this header cannot be set: use http.hostname for Host, the connection's own headers are fixed"
	credentialValue = "credentials do not belong in a spec, where every reader sees them: put the value into a Secret and name it with valueFrom.secretKeyRef"
	notOneValue     = "set exactly one of value and valueFrom"
	notASecretName  = "must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
	notASecretKey   = "must be a key of a Secret: letters, digits, '-', '_' and '.'"
	notAStatus      = "must be a status such as 204 or an ascending range such as 200-299, within 100 to 599"
	bodyOfHEAD      = "a response to HEAD has no body: use method GET, or leave expectedBody out"
	notOneBody      = "set exactly one of contains and matches"
	notAText        = "must hold only printable characters, tabs and line breaks"
	notAPattern     = "must be a regular expression in the syntax of RE2, which has neither backreferences nor lookarounds"
	notACertificate = "must hold at least one PEM block '-----BEGIN CERTIFICATE-----'"
	uselessBundle   = "has no effect with insecureSkipVerify: set one of them"
)

// Paths that many cases change.
const (
	check   = "spec.healthCheck.checks[0]"
	path    = check + ".http.path"
	host    = check + ".http.hostname"
	headers = check + ".http.headers"
	secret  = headers + "[0].valueFrom.secretKeyRef"
	status  = check + ".http.expectedStatuses"
	body    = check + ".http.expectedBody"
	tls     = check + ".tls"
)

var rejectedChecks = slices.Concat(
	rejectedTimings("spec.healthCheck.interval", notASecondsSpan),
	rejectedTimings("spec.healthCheck.edgeInterval", notASecondsSpan),
	rejectedTimings("spec.healthCheck.unhealthyInterval", notASecondsSpan),
	rejectedTimings("spec.healthCheck.timeout", notATimeout),
	rejectedThresholds("spec.healthCheck.healthyThreshold"),
	rejectedThresholds("spec.healthCheck.unhealthyThreshold"),
	rejectedCredentials("Authorization", "proxy-authorization", "Cookie"),
	rejectedReserved("HOST", "Connection", "Keep-Alive", "Proxy-Connection",
		"Content-Length", "Transfer-Encoding", "Upgrade", "TE", "Trailer", "User-Agent"),
	[]rejection{
		rejected("spec.healthCheck.interval", notASecondsSpan, set("spec.healthCheck.interval", "999ms"), remove("spec.healthCheck.timeout")),
		rejected("spec.healthCheck.timeout", notATimeout, set("spec.healthCheck.timeout", "99ms")),
		rejected("spec.healthCheck.timeout", timeoutTooLong, set("spec.healthCheck.timeout", "11s")),
		rejected("spec.healthCheck.timeout", timeoutTooLong, set("spec.healthCheck.timeout", "11s"), remove("spec.healthCheck.interval")),
		rejected("spec.healthCheck.timeout", timeoutTooLong, set("spec.healthCheck.interval", "2s")),
		rejected("spec.healthCheck.initialState", `Unsupported value: "Up": supported values: "Unhealthy", "Healthy"`, set("spec.healthCheck.initialState", "Up")),

		rejected("spec.healthCheck.checks", "should have at least 1 items", set("spec.healthCheck.checks", "[]")),
		rejected("spec.healthCheck.checks", "Too many: 9: must have at most 8 items", set("spec.healthCheck.checks", repeated(9, "{name: c%d, tcp: {}}"))),
		rejected("spec.healthCheck.checks[1]", `Duplicate value: {"name":"a"}`, set("spec.healthCheck.checks", "[{name: a, tcp: {}}, {name: a, http: {}}]")),
		rejected(check+".name", "Required value", remove(check+".name")),
		rejected(check+".name", notALabel, set(check+".name", "Health Check")),
		rejected(check+".name", atLeast1, set(check+".name", `""`)).and(check+".name", notALabel),
		rejected(check+".name", "Too long: may not be more than 63 bytes", set(check+".name", letters64)),
		rejected(check, notOneCheck, set(check+".tcp", "{}")),
		rejected(check, notOneCheck, set(check, "{name: a}")),
		rejected(check, notOneCheck, set(check, "{name: a, tcp: {}, none: {}}")),
		rejected(check, notOneCheck, set(check, "{name: a, tcp: {}, http: {}, none: {}}")),
		rejected("", `strict decoding error: unknown field "spec.healthCheck.checks[0].exec"`, set(check, "{name: a, exec: {command: [ls]}}")),
		rejected("spec.healthCheck.checks", notOnlyNone, set("spec.healthCheck.checks", "[{name: a, none: {}}, {name: b, tcp: {}}]")),
		rejected("spec.healthCheck.checks", notOnlyNone, set("spec.healthCheck.checks", "[{name: a, none: {}}, {name: b, none: {}}]")),
		rejected(check+".tls", tlsWithoutHTTP, set(check, "{name: a, tcp: {}, tls: {}}")),
		rejected(check+".tls", tlsWithoutHTTP, set(check, "{name: a, none: {}, tls: {}}")),
		rejected(check+".port", noneWithPort, set(check, "{name: a, none: {}, port: 80}")),
		rejected(check+".port", notACheckPort, set(check+".port", "0")),
		rejected(check+".port", notACheckPort, set(check+".port", "70000")),
		rejected(check+".port", notACheckPort, set(check+".port", "HTTP")),
		rejected(check+".port", notACheckPort, set(check+".port", `""`)),
		rejected(check+".port", "Too long: may not be more than 63 bytes", set(check+".port", letters64)),

		rejected(path, notAPath, set(path, "healthz")),
		rejected(path, notAPath, set(path, "/a b")),
		rejected(path, notAPath, set(path, `"/#top"`)),
		rejected(path, notAPath, set(path, "/ü")),
		rejected(path, notAPath, set(path, `"/\r\nX-Injected: 1"`)),
		rejected(path, atLeast1, set(path, `""`)).and(path, notAPath),
		rejected(path, "Too long: may not be more than 1024 bytes", set(path, "/"+strings.Repeat("a", 1024))),
		rejected(check+".http.method", `Unsupported value: "POST": supported values: "GET", "HEAD", "OPTIONS"`, set(check+".http.method", "POST")),
		rejected(host, notAHost, set(host, "http://app.example.com")),
		rejected(host, notAHost, set(host, "app..example.com")),
		rejected(host, notAHost, set(host, "app.example.com.")),
		rejected(host, notAHost, set(host, `"app.example.com:0"`)),
		rejected(host, notAHost, set(host, `"app.example.com:65536"`)),
		rejected(host, notAHost, set(host, `"[2001:db8::1]:80"`)),
		rejected(host, notAHost, set(host, `"a\r\nX-Injected: 1"`)),
		rejected(host, atLeast1, set(host, `""`)).and(host, notAHost),
		rejected(host, "Too long: may not be more than 259 bytes", set(host, strings.Repeat("a", 260))),

		rejected(headers, "Too many: 17: must have at most 16 items", set(headers, repeated(17, "{name: X-%d, value: a}"))),
		rejected(headers+"[1]", `Duplicate value: {"name":"X-A"}`, set(headers, "[{name: X-A, value: a}, {name: X-A, value: b}]")),
		rejected(headers+"[0].name", "Required value", remove(headers+"[0].name")),
		rejected(headers+"[0].name", notAHeaderName, set(headers+"[0].name", "X Health")),
		rejected(headers+"[0].name", notAHeaderName, set(headers+"[0].name", `"X-Health:"`)),
		rejected(headers+"[0].name", atLeast1, set(headers+"[0].name", `""`)).and(headers+"[0].name", notAHeaderName),
		rejected(headers+"[0].name", "Too long: may not be more than 128 bytes", set(headers+"[0].name", strings.Repeat("a", 129))),
		rejected(headers+"[0]", notOneValue, remove(headers+"[0].value")),
		rejected(headers+"[0]", notOneValue, set(headers+"[0].valueFrom", "{secretKeyRef: {name: a, key: b}}")),
		rejected(headers+"[0]", notOneValue, set(headers+"[0]", `{name: X-Token, value: "", valueFrom: {secretKeyRef: {name: a, key: b}}}`)),
		rejected(secret, "Required value", set(headers+"[0]", "{name: X-Token, valueFrom: {}}")),
		rejected("", `strict decoding error: unknown field "`+secret+`.namespace"`, fromSecret("{name: a, key: b, namespace: kube-system}")),
		rejected(secret+".name", "Required value", fromSecret("{key: a}")),
		rejected(secret+".name", atLeast1, fromSecret(`{name: "", key: a}`)).and(secret+".name", notASecretName),
		rejected(secret+".name", notASecretName, fromSecret("{name: Checks, key: a}")),
		rejected(secret+".name", notASecretName, fromSecret("{name: kube-system/checks, key: a}")),
		rejected(secret+".name", notASecretName, fromSecret("{name: .., key: a}")),
		rejected(secret+".name", "Too long: may not be more than 253 bytes", fromSecret("{name: "+letters254+", key: a}")),
		rejected(secret+".key", "Required value", fromSecret("{name: a}")),
		rejected(secret+".key", atLeast1, fromSecret(`{name: a, key: ""}`)).and(secret+".key", notASecretKey),
		rejected(secret+".key", notASecretKey, fromSecret("{name: a, key: a/b}")),
		rejected(secret+".key", "Too long: may not be more than 253 bytes", fromSecret("{name: a, key: "+letters254+"}")),
		rejected(headers+"[0].value", notAHeaderValue, set(headers+"[0].value", `"a\r\nX-Injected: 1"`)),
		rejected(headers+"[0].value", notAHeaderValue, set(headers+"[0].value", "ü")),
		rejected(headers+"[0].value", "Too long: may not be more than 1024 bytes", set(headers+"[0].value", strings.Repeat("a", 1025))),

		rejected(status, "should have at least 1 items", set(status, "[]")),
		rejected(status, "Too many: 17: must have at most 16 items", set(status, repeated(17, `"2%02d"`))),
		rejected(status+"[1]", `Duplicate value: "200"`, set(status, `["200", "200"]`)),
		rejected(status+"[0]", notAStatus, set(status+"[0]", `"99"`)),
		rejected(status+"[0]", notAStatus, set(status+"[0]", `"600"`)),
		rejected(status+"[0]", notAStatus, set(status+"[0]", "2xx")),
		rejected(status+"[0]", notAStatus, set(status+"[0]", "299-200")),
		rejected(status+"[0]", notAStatus, set(status+"[0]", "200-")),
		rejected(status+"[0]", "Too long: may not be more than 7 bytes", set(status+"[0]", "200 - 299")),
		rejected(status+"[0]", "must be of type string", set(status+"[0]", "200")),

		rejected(body, bodyOfHEAD, set(body, "{contains: ok}"), set(check+".http.method", "HEAD")),
		rejected(body, notOneBody, set(body, "{}")),
		rejected(body, notOneBody, set(body, "{contains: ok, matches: ok}")),
		rejected(body+".contains", atLeast1, set(body, `{contains: ""}`)),
		rejected(body+".contains", notAText, set(body, `{contains: "a\0b"}`)),
		rejected(body+".contains", notAText, set(body, `{contains: "a\eb"}`)),
		rejected(body+".contains", notAText, set(body, `{contains: "a\u200bb"}`)),
		rejected(body+".contains", "Too long: may not be more than 1024 bytes", set(body, "{contains: "+strings.Repeat("a", 1025)+"}")),
		rejected(body+".matches", atLeast1, set(body, `{matches: ""}`)),
		rejected(body+".matches", notAPattern, set(body, `{matches: "a("}`)),
		rejected(body+".matches", notAPattern, set(body, `{matches: "a{1001}"}`)),
		rejected(body+".matches", notAPattern, set(body, `{matches: "(a)\\1"}`)),
		rejected(body+".matches", notAPattern, set(body, `{matches: "(?=a)"}`)),
		rejected(body+".matches", "Too long: may not be more than 1024 bytes", set(body, "{matches: "+strings.Repeat("a", 1025)+"}")),

		rejected(tls+".serverName", notAServerName, set(tls+".serverName", `"app.example.com:443"`)),
		rejected(tls+".serverName", notAServerName, set(tls+".serverName", "app..example.com")),
		rejected(tls+".serverName", notAServerName, set(tls+".serverName", `"2001:db8::1"`)),
		rejected(tls+".serverName", atLeast1, set(tls+".serverName", `""`)).and(tls+".serverName", notAServerName),
		rejected(tls+".serverName", "Too long: may not be more than 253 bytes", set(tls+".serverName", letters254)),
		rejected(tls+".caBundle", notACertificate, set(tls+".caBundle", "trust me")),
		rejected(tls+".caBundle", notACertificate, set(tls+".caBundle", `""`)),
		rejected(tls+".caBundle", "Too long: may not be more than 65536 bytes", set(tls+".caBundle", bundle(65537))),
		rejected("spec.healthCheck.checks", tooManyBundles, set("spec.healthCheck.checks",
			fmt.Sprintf("[{name: a, http: {}, tls: {caBundle: %[1]s}}, {name: b, http: {}, tls: {caBundle: %[1]s}}, {name: c, http: {}, tls: {caBundle: %[2]s}}]", bundle(65536), bundle(4096)))),
		rejected(tls+".caBundle", uselessBundle, set(tls+".insecureSkipVerify", "true")),
	},
)

// rejectedTimings are texts that are no duration, or one out of bounds.
func rejectedTimings(field, message string) []rejection {
	list := []rejection{rejected(field, "Too long: may not be more than 16 bytes", set(field, strings.Repeat("0", 16)+"s"))}
	// Without a timeout there is nothing that it could be longer than.
	alone := remove("spec.healthCheck.timeout")
	for _, text := range []string{`""`, `"10"`, "10 s", "0.5s", "-5s", "0s", "1d", "abc"} {
		list = append(list, rejected(field, message, alone, set(field, text)))
	}
	for _, text := range []string{"61m", "1h1ms", "99999h99999h9h"} {
		tooLong := rejected(field, message, alone, set(field, text))
		if field == alone.path {
			tooLong = tooLong.and(field, timeoutTooLong)
		}
		list = append(list, tooLong)
	}
	return list
}

// rejectedThresholds are numbers outside 1 to 20.
func rejectedThresholds(field string) []rejection {
	return []rejection{
		rejected(field, "should be greater than or equal to 1", set(field, "0")),
		rejected(field, "should be less than or equal to 20", set(field, "21")),
	}
}

// fromSecret replaces the header by one that comes from a Secret.
func fromSecret(ref string) edit {
	return set(headers+"[0]", "{name: X-Token, valueFrom: {secretKeyRef: "+ref+"}}")
}

// rejectedCredentials are headers that hold credentials, in the spec.
func rejectedCredentials(names ...string) (list []rejection) {
	for _, name := range names {
		list = append(list, rejected(headers+"[0].value", credentialValue, set(headers+"[0].name", name)))
	}
	return list
}

func rejectedReserved(names ...string) (list []rejection) {
	for _, name := range names {
		list = append(list, rejected(headers+"[0].name", reservedHeader, set(headers+"[0].name", name)),
			rejected(headers+"[0].name", reservedHeader, set(headers+"[0]", "{name: "+name+", valueFrom: {secretKeyRef: {name: a, key: b}}}")))
	}
	return list
}
