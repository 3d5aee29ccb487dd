// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

const region = "eu-west-1"

func TestInstancesPages(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, func(r request) (int, string) {
			if r.form.Get("NextToken") == "" {
				return 200, instancesXML("more", "i-1")
			}
			return 200, instancesXML("", "i-2")
		})
		api := c.Connect(ec2.Identity{}, region)
		first, next, err := api.Instances(t.Context(), ec2.InstancesRequest{Filters: []ec2.Filter{{Name: "tag:a", Values: []string{"b", "c"}}}})
		if err != nil || len(first) != 1 || first[0].ID != "i-1" || first[0].OwnerID != "1" || next != "more" {
			t.Fatalf("got %v, %q, %v", first, next, err)
		}
		second, next, err := api.Instances(t.Context(), ec2.InstancesRequest{Token: next})
		if err != nil || len(second) != 1 || second[0].ID != "i-2" || next != "" {
			t.Fatalf("got %v, %q, %v", second, next, err)
		}
		if _, _, err := api.Instances(t.Context(), ec2.InstancesRequest{IDs: []string{"i-3"}}); err != nil {
			t.Fatal(err)
		}
		asked := a.asked("DescribeInstances")
		form := asked[0].form
		if form.Get("MaxResults") != "1000" || form.Get("Filter.1.Name") != "tag:a" || form.Get("Filter.1.Value.2") != "c" {
			t.Errorf("asked %v", form)
		}
		if form := asked[2].form; form.Has("MaxResults") || form.Get("InstanceId.1") != "i-3" {
			t.Errorf("asked %v", form)
		}
		if asked[0].region != region || asked[0].key != "AKIAOPERATOROPERATOR" {
			t.Errorf("asked %+v", asked[0])
		}
	})
}

func TestFailures(t *testing.T) {
	settings(t)
	for name, test := range map[string]struct {
		status   int
		body     string
		kind     ec2.Kind
		code     string
		attempts int
	}{
		"denied":           {403, ec2Error("UnauthorizedOperation", "no"), ec2.AccessDenied, "UnauthorizedOperation", 1},
		"bad credentials":  {401, ec2Error("AuthFailure", "no"), ec2.CredentialsInvalid, "AuthFailure", 1},
		"expired":          {400, ec2Error("RequestExpired", "no"), ec2.CredentialsInvalid, "RequestExpired", 1},
		"throttled":        {503, ec2Error("RequestLimitExceeded", "no"), ec2.Throttled, "RequestLimitExceeded", 5},
		"throttled by 429": {429, ec2Error("X", "no"), ec2.Throttled, "X", 1},
		"429 of a proxy":   {429, "<html>no", ec2.Throttled, "429", 1},
		"server":           {500, ec2Error("InternalError", "no"), ec2.Unavailable, "InternalError", 5},
		"page of a proxy":  {502, "<html>no", ec2.Unavailable, "", 5},
		"hangs":            {0, "", ec2.Unavailable, "", 2},
		"not found":        {400, ec2Error("InvalidInstanceID.NotFound", "no"), ec2.Refused, "InvalidInstanceID.NotFound", 1},
		"opt in":           {401, ec2Error("OptInRequired", "no"), ec2.RegionUnknown, "OptInRequired", 1},
		"truncated":        {200, instancesXML("", "i-1")[:200], ec2.Malformed, "", 1},
		"empty":            {200, "", ec2.Malformed, "", 1},
		"another document": {200, "<html><body/></html>", ec2.Malformed, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := start(t, func(request) (int, string) { return test.status, test.body })
				_, _, err := c.Connect(ec2.Identity{}, region).Instances(t.Context(), ec2.InstancesRequest{})
				failure := failureIn(t, err)
				if failure.Kind != test.kind || failure.Code != test.code || failure.Action != "ec2:DescribeInstances" {
					t.Errorf("got %v", failure)
				}
				asked := len(a.asked("DescribeInstances"))
				if asked != test.attempts {
					t.Errorf("asked %d times", asked)
				}
				if len(a.outcomes) != asked {
					t.Errorf("observed %q", a.outcomes)
				}
			})
		})
	}
}

func TestReceiveTriesOnce(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, func(request) (int, string) { return 500, "{}" })
		_, err := c.Connect(ec2.Identity{}, region).Receive(t.Context(), "http://127.0.0.1/1/q")
		if failureIn(t, err).Kind != ec2.Unavailable || len(a.asked("ReceiveMessage")) != 1 {
			t.Errorf("got %v after %d", err, len(a.asked("ReceiveMessage")))
		}
	})
}

func TestEveryAttemptWaitsForItsTurn(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, func(request) (int, string) { return 200, instancesXML("") })
		// Two connections have one rate.
		for i := range 14 {
			if _, _, err := c.Connect(ec2.Identity{}, region).Instances(t.Context(), ec2.InstancesRequest{}); err != nil {
				t.Fatal(i, err)
			}
		}
		asked := a.asked("DescribeInstances")
		if took := asked[13].at.Sub(asked[0].at); took.Round(time.Millisecond) != 2*time.Second {
			t.Errorf("14 requests in %v", took)
		}
	})
}

// What does not get its turn is no word of AWS, and has no code.
func TestTurnDoesNotComeInTime(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, func(request) (int, string) { return 200, instancesXML("") })
		api := c.Connect(ec2.Identity{}, region)
		if _, _, err := api.Instances(t.Context(), ec2.InstancesRequest{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(250 * time.Millisecond) // so that no turn comes at the very end
		var all sync.WaitGroup
		var late atomic.Int32
		for range 80 {
			all.Go(func() {
				_, _, err := api.Instances(t.Context(), ec2.InstancesRequest{})
				if err == nil {
					return
				}
				late.Add(1)
				if failure := failureIn(t, err); failure.Kind != ec2.Throttled || failure.Code != "" || failure.Action != "ec2:DescribeInstances" {
					t.Errorf("got %v", failure)
				}
			})
		}
		all.Wait()
		// The rest is what the rate allows within the time of a call.
		if asked := len(a.asked("DescribeInstances")); asked != 70 || late.Load() != 11 {
			t.Errorf("asked %d times, %d had no turn", asked, late.Load())
		}
	})
}

func TestCallerGivesUp(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		_, c := start(t, func(request) (int, string) { return 0, "" })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Connect(ec2.Identity{}, region).Caller(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUnknownHost(t *testing.T) {
	settings(t)
	t.Setenv("AWS_ENDPOINT_URL", "")
	for name, test := range map[string]struct {
		notFound bool
		kind     ec2.Kind
	}{"no such name": {true, ec2.RegionUnknown}, "no answer": {false, ec2.Unavailable}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := start(t, nil)
				c.client.Transport.(*http.Transport).DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
					host, _, _ := net.SplitHostPort(addr)
					return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "test", Name: host, IsNotFound: test.notFound}}
				}
				_, _, err := c.Connect(ec2.Identity{}, "eu-wst-1").Instances(t.Context(), ec2.InstancesRequest{})
				if kind := failureIn(t, err).Kind; kind != test.kind {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestNothingIsAsked(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, nil)
		_, err := c.Connect(ec2.Identity{Unusable: true}, region).Caller(t.Context())
		if failureIn(t, err).Kind != ec2.CredentialsUnavailable {
			t.Errorf("got %v", err)
		}
		_, err = c.Connect(ec2.Identity{}, "no region/").Caller(t.Context())
		if failureIn(t, err).Kind != ec2.RegionUnknown || len(a.requests) != 0 {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoCredentials(t *testing.T) {
	settings(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	synctest.Test(t, func(t *testing.T) {
		_, c := start(t, nil)
		_, err := c.Connect(ec2.Identity{}, region).Caller(t.Context())
		if failure := failureIn(t, err); failure.Kind != ec2.CredentialsUnavailable || failure.Action != "sts:GetCallerIdentity" {
			t.Errorf("got %v", err)
		}
	})
}

func TestRoleIsAssumedOnceForAllRegions(t *testing.T) {
	settings(t)
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, func(r request) (int, string) {
			if r.action == "AssumeRole" {
				return 200, assumedXML("AssumeRole", "ASIAROLEROLEROLEROLE", time.Now().Add(time.Hour))
			}
			return 200, instancesXML("")
		})
		identity := ec2.Identity{
			AccessKey: &ec2.AccessKey{ID: "AKIASTATICSTATICSTAT", Secret: "s"},
			Role:      &ec2.Role{ARN: "arn:aws:iam::1:role/r", ExternalID: "x", SessionTags: map[string]string{"b": "2", "a": "1"}},
		}
		list := func(identity ec2.Identity, regions ...string) {
			t.Helper()
			var all sync.WaitGroup
			for _, region := range regions {
				api := c.Connect(identity, region)
				all.Go(func() {
					if _, _, err := api.Instances(t.Context(), ec2.InstancesRequest{}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		held := c.Connect(identity, region)
		list(identity, "eu-west-1", "eu-west-2", "us-east-1")
		assumed := a.asked("AssumeRole")
		if len(assumed) != 1 {
			t.Fatalf("assumed %d times", len(assumed))
		}
		form := assumed[0].form
		for name, want := range map[string]string{
			"ExternalId": "x", "RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "externalbackend-operator",
			"Tags.member.1.Key": "a", "Tags.member.2.Value": "2",
		} {
			if got := form.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
		if assumed[0].key != "AKIASTATICSTATICSTAT" {
			t.Errorf("assumed with %q", assumed[0].key)
		}
		for _, r := range a.asked("DescribeInstances") {
			if r.key != "ASIAROLEROLEROLEROLE" || r.token != "roletoken" {
				t.Errorf("asked with %+v", r)
			}
		}
		// Another identity has credentials of its own.
		identity.Role = &ec2.Role{ARN: identity.Role.ARN}
		list(identity, region)
		assumed = a.asked("AssumeRole")
		if len(assumed) != 2 || assumed[1].form.Has("ExternalId") {
			t.Errorf("assumed %v", assumed)
		}
		if _, err := held.Lifecycles(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestRoleCannotBeAssumed(t *testing.T) {
	settings(t)
	for name, test := range map[string]struct {
		status        int
		code, message string
		kind          ec2.Kind
		action        string
		asked         int
	}{
		"denied":      {403, "AccessDenied", "not authorized to perform: sts:AssumeRole", ec2.CredentialsInvalid, "sts:AssumeRole", 1},
		"tags denied": {403, "AccessDenied", "not authorized to perform: sts:TagSession", ec2.CredentialsInvalid, "sts:TagSession", 1},
		"invalid":     {403, "InvalidClientTokenId", "no", ec2.CredentialsInvalid, "sts:AssumeRole", 1},
		"server":      {500, "InternalFailure", "no", ec2.Unavailable, "sts:AssumeRole", 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := start(t, func(request) (int, string) { return test.status, stsError(test.code, test.message) })
				_, _, err := c.Connect(ec2.Identity{Role: &ec2.Role{ARN: "arn:aws:iam::1:role/r"}}, region).Instances(t.Context(), ec2.InstancesRequest{})
				failure := failureIn(t, err)
				if failure.Kind != test.kind || failure.Action != test.action || failure.Code != test.code {
					t.Errorf("got %v", failure)
				}
				if asked := len(a.asked("AssumeRole")); asked != test.asked {
					t.Errorf("asked %d times", asked)
				}
			})
		})
	}
}

func TestErrorsTellNoCredentials(t *testing.T) {
	settings(t)
	key := &ec2.AccessKey{ID: "AKIASTATICSTATICSTAT", Secret: "very/secret", SessionToken: "some+token"}
	synctest.Test(t, func(t *testing.T) {
		_, c := start(t, func(request) (int, string) {
			return 403, ec2Error("SignatureDoesNotMatch", "for this\nx-amz-security-token:"+key.SessionToken+"\n"+key.ID+" "+key.Secret+" ASIAOTHEROTHEROTHERO")
		})
		_, _, err := c.Connect(ec2.Identity{AccessKey: key}, region).Instances(t.Context(), ec2.InstancesRequest{})
		if failureIn(t, err).Kind != ec2.CredentialsInvalid {
			t.Errorf("got %v", err)
		}
		for _, secret := range []string{key.ID, key.Secret, key.SessionToken, "ASIAOTHER"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v tells %s", err, secret)
			}
		}
	})
}

func TestRotatedWebIdentityToken(t *testing.T) {
	settings(t)
	file := filepath.Join(t.TempDir(), "token")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		a, c := start(t, func(r request) (int, string) {
			if r.action == "AssumeRoleWithWebIdentity" {
				return 200, assumedXML(r.action, "ASIAWEBWEBWEBWEBWEBW", time.Now().Add(-time.Minute))
			}
			return 200, instancesXML("")
		})
		api := c.Connect(ec2.Identity{}, region)
		for _, token := range []string{"one", "two"} {
			if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := api.Instances(t.Context(), ec2.InstancesRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		asked := a.asked("AssumeRoleWithWebIdentity")
		if len(asked) != 2 || asked[0].form.Get("WebIdentityToken") != "one" || asked[1].form.Get("WebIdentityToken") != "two" {
			t.Errorf("asked %v", asked)
		}
	})
}

func TestBodyIsBounded(t *testing.T) {
	next := middleware.DeserializeHandlerFunc(func(context.Context, middleware.DeserializeInput) (middleware.DeserializeOutput, middleware.Metadata, error) {
		response := &http.Response{Body: io.NopCloser(strings.NewReader("12345678901"))}
		return middleware.DeserializeOutput{RawResponse: &smithyhttp.Response{Response: response}}, middleware.Metadata{}, nil
	})
	out, _, err := bound(10)(t.Context(), middleware.DeserializeInput{}, next)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(out.RawResponse.(*smithyhttp.Response).Body)
	if len(read) != 10 || err == nil {
		t.Errorf("read %q, %v", read, err)
	}
}
