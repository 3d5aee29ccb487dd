// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"regexp"
	"strings"
)

// maxText bounds the text of an error, in bytes.
const maxText = 2 << 10

// secretPatterns find credentials that AWS repeats in messages, among them those
// of requests it does not accept the signature of.
var secretPatterns = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(x-amz-security-token|authorization|signature=|credential=)[:=]?\s*\S+`),
	regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{12,124}\b`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?`),
}

// redact returns an error that says the same in one line, without credentials. It
// does not refer to the error, which has them.
func redact(err error, secrets []string) error {
	text := err.Error()
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "(hidden)")
	}
	for _, pattern := range secretPatterns {
		text = pattern.ReplaceAllString(text, "(hidden)")
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return errors.New(text)
}
