// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sigv4 makes and verifies the signatures of requests to AWS (Signature
// Version 4), for tests: independently of the SDK, so that both are put to the test.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// Key is an access key. Token is the session token of temporary ones.
type Key struct{ ID, Secret, Token string }

// Scope is what a signature is for.
type Scope struct{ KeyID, Date, Region, Service string }

// Authorization is what the header Authorization says.
type Authorization struct {
	Scope
	// SignedHeaders in lower case and in order.
	SignedHeaders []string
	// Signature in hexadecimal digits.
	Signature string
}

// Errors of Parse.
var (
	// ErrMissing: the request is not signed.
	ErrMissing = errors.New("the request has no signature")
	// ErrIncomplete: the header cannot be understood.
	ErrIncomplete = errors.New("the header Authorization is incomplete")
)

// Parse reads the header Authorization of a request.
func Parse(header http.Header) (Authorization, error) {
	value := header.Get("Authorization")
	if value == "" {
		return Authorization{}, ErrMissing
	}
	fields, ok := strings.CutPrefix(value, algorithm+" ")
	if !ok {
		return Authorization{}, ErrIncomplete
	}
	parts := map[string]string{}
	for field := range strings.SplitSeq(fields, ",") {
		name, content, _ := strings.Cut(strings.TrimSpace(field), "=")
		parts[name] = content
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || parts["SignedHeaders"] == "" || parts["Signature"] == "" {
		return Authorization{}, ErrIncomplete
	}
	return Authorization{
		Scope:         Scope{KeyID: scope[0], Date: scope[1], Region: scope[2], Service: scope[3]},
		SignedHeaders: strings.Split(parts["SignedHeaders"], ";"),
		Signature:     parts["Signature"],
	}, nil
}

// Verify says what is wrong with the signature of a request that a server got; nil:
// nothing. It does not look at the date, for the signature holds as long as the test.
func Verify(r *http.Request, body []byte, auth Authorization, secret string) error {
	if !slices.Contains(auth.SignedHeaders, "host") {
		return errors.New("the header Host is not signed")
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(auth.SignedHeaders, lower) {
			return fmt.Errorf("the header %s is not signed", name)
		}
	}
	date := r.Header.Get("X-Amz-Date")
	if !strings.HasPrefix(date, auth.Date+"T") {
		return fmt.Errorf("the date %q is not in the scope %s", date, auth.Date)
	}
	hash := digest(body)
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && sent != hash {
		return errors.New("the body is not the one that is signed")
	}
	expected := signature(r, r.Host, hash, date, auth.Scope, auth.SignedHeaders, secret)
	if !hmac.Equal([]byte(expected), []byte(auth.Signature)) {
		return errors.New("the signature does not match the request")
	}
	return nil
}

// Sign signs a request that is going to be sent with this body.
func Sign(r *http.Request, body []byte, key Key, service, region string, now time.Time) {
	date := now.UTC().Format(timeFormat)
	r.Header.Set("X-Amz-Date", date)
	if key.Token != "" {
		r.Header.Set("X-Amz-Security-Token", key.Token)
	}
	headers := []string{"host"}
	for name := range r.Header {
		headers = append(headers, strings.ToLower(name))
	}
	slices.Sort(headers)
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	scope := Scope{KeyID: key.ID, Date: date[:8], Region: region, Service: service}
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		algorithm, key.ID, scope.String(), strings.Join(headers, ";"),
		signature(r, host, digest(body), date, scope, headers, key.Secret)))
}

// String returns the scope as it is signed, without the key.
func (s Scope) String() string {
	return strings.Join([]string{s.Date, s.Region, s.Service, "aws4_request"}, "/")
}

func signature(r *http.Request, host, bodyHash, date string, scope Scope, headers []string, secret string) string {
	toSign := strings.Join([]string{
		algorithm, date, scope.String(), digest([]byte(canonical(r, host, bodyHash, headers))),
	}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{scope.Date, scope.Region, scope.Service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// canonical is the request in the form that is signed.
func canonical(r *http.Request, host, bodyHash string, headers []string) string {
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var text strings.Builder
	text.WriteString(r.Method + "\n" + path + "\n" + query(r.URL.Query()) + "\n")
	for _, name := range headers {
		text.WriteString(name + ":" + headerValue(r, host, name) + "\n")
	}
	text.WriteString("\n" + strings.Join(headers, ";") + "\n" + bodyHash)
	return text.String()
}

func headerValue(r *http.Request, host, name string) string {
	switch name {
	case "host":
		return host
	case "content-length":
		return fmt.Sprint(r.ContentLength)
	}
	var values []string
	for _, value := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(value), " "))
	}
	return strings.Join(values, ",")
}

func query(values url.Values) string {
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
