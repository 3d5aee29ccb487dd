// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"externalbackend.dev/operator/test/aws/query"
)

// asked makes a request to EC2 that the adapter does not make. It returns the
// answer, and its status with the error that it tells. Params are pairs of a name
// and a value.
func asked(t *testing.T, w world, action string, params ...string) (answer, outcome string) {
	t.Helper()
	client := query.Client{
		URL: w.url(), Key: w.user(), Region: region,
		HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	var content struct {
		XML string `xml:",innerxml"`
	}
	err := client.Query(t.Context(), &content, "ec2", action, params...)
	if refused, ok := errors.AsType[*query.Error](err); ok && refused.Code != "" {
		return "", fmt.Sprintf("%d %s", refused.Status, refused.Code)
	} else if ok {
		return "", fmt.Sprint(refused.Status)
	}
	check(t, err)
	return content.XML, "200"
}
