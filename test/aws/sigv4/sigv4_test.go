// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sigv4_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"externalbackend.dev/operator/test/aws/sigv4"
)

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// signed is a request as a server gets it.
func signed() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://service.example/a%20path?b=2&a=1+2", nil)
	r.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sigv4.Sign(r, []byte("body"), sigv4.Key{ID: "AKID", Secret: secret, Token: "token"}, "sqs", "eu-west-1", now)
	return r
}

func TestSignatureHoldsForWhatIsSigned(t *testing.T) {
	cases := map[string]struct {
		change func(r *http.Request)
		secret string
		body   string
		wrong  bool
	}{
		"as it was":              {},
		"body":                   {body: "other", wrong: true},
		"secret":                 {secret: "other", wrong: true},
		"path":                   {change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/other", "" }, wrong: true},
		"query":                  {change: func(r *http.Request) { r.URL.RawQuery = "a=1" }, wrong: true},
		"order of query":         {change: func(r *http.Request) { r.URL.RawQuery = "a=1+2&b=2" }},
		"host":                   {change: func(r *http.Request) { r.Host = "other.example" }, wrong: true},
		"method":                 {change: func(r *http.Request) { r.Method = http.MethodPut }, wrong: true},
		"date":                   {change: func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260102T030406Z") }, wrong: true},
		"day":                    {change: func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260103T030405Z") }, wrong: true},
		"token":                  {change: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }, wrong: true},
		"signed header":          {change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSQS.Other") }, wrong: true},
		"other header":           {change: func(r *http.Request) { r.Header.Set("User-Agent", "other") }},
		"unsigned header of AWS": {change: func(r *http.Request) { r.Header.Set("X-Amz-Other", "1") }, wrong: true},
		"digest":                 {change: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "0") }, wrong: true},
		"region":                 {change: replace("eu-west-1", "eu-west-2"), wrong: true},
	}
	for about, test := range cases {
		t.Run(about, func(t *testing.T) {
			r := signed()
			if test.change != nil {
				test.change(r)
			}
			auth, err := sigv4.Parse(r.Header)
			if err != nil {
				t.Fatal(err)
			}
			body, key := "body", secret
			if test.body != "" {
				body = test.body
			}
			if test.secret != "" {
				key = test.secret
			}
			if err := sigv4.Verify(r, []byte(body), auth, key); (err != nil) != test.wrong {
				t.Errorf("the verdict is %v", err)
			}
		})
	}
}

func replace(old, with string) func(r *http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, with, 1))
	}
}

func TestParse(t *testing.T) {
	auth, err := sigv4.Parse(signed().Header)
	want := sigv4.Scope{KeyID: "AKID", Date: "20260102", Region: "eu-west-1", Service: "sqs"}
	if err != nil || auth.Scope != want {
		t.Errorf("the scope is %+v (%v)", auth.Scope, err)
	}
	for value, want := range map[string]error{
		"":           sigv4.ErrMissing,
		"Basic YTpi": sigv4.ErrIncomplete,
		"AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/sqs/aws4_request":  sigv4.ErrIncomplete,
		"AWS4-HMAC-SHA256 Credential=AKID/sqs, SignedHeaders=host, Signature=0": sigv4.ErrIncomplete,
	} {
		header := http.Header{}
		header.Set("Authorization", value)
		if _, err := sigv4.Parse(header); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
}
