// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/aws/query"
	"externalbackend.dev/operator/test/aws/sigv4"
)

// assume assumes a role and returns who has.
func assume(t *testing.T, c query.Client, action string, params ...string) (query.Client, error) {
	t.Helper()
	var answer struct {
		Result struct {
			ID     string `xml:"Credentials>AccessKeyId"`
			Secret string `xml:"Credentials>SecretAccessKey"`
			Token  string `xml:"Credentials>SessionToken"`
		} `xml:",any"`
	}
	err := c.Query(t.Context(), &answer, "sts", action, append([]string{"RoleSessionName", "test"}, params...)...)
	c.Key = sigv4.Key(answer.Result)
	return c, err
}

func TestRoles(t *testing.T) {
	server, _, c := start(t)
	other := server.Account(elsewhere)
	arn := other.Role(fake.Role{
		Name: "path/reader", ExternalID: "ours", SessionTags: map[string]string{"team": "a"},
		Trusts: []string{"arn:aws:iam::" + home + ":user/operator"},
	})
	want := other.Region(region).Run(fake.Instance{})
	good := []string{"RoleArn", arn, "ExternalId", "ours", "Tags.member.1.Key", "team", "Tags.member.1.Value", "a"}
	with := func(name, value string) []string { return append(append([]string{}, good...), name, value) }
	cases := []struct {
		about, code string
		params      []string
	}{
		{"all right", "", good},
		{"another external id", "AccessDenied", with("ExternalId", "theirs")},
		{"another tag", "AccessDenied", with("Tags.member.1.Value", "b")},
		{"no such role", "AccessDenied", with("RoleArn", arn+"x")},
		{"no such account", "AccessDenied", with("RoleArn", "arn:aws:iam::999999999999:role/x")},
		{"no ARN", "AccessDenied", with("RoleArn", "x")},
		{"too long", "ValidationError", with("DurationSeconds", "43201")},
	}
	for _, test := range cases {
		_, err := assume(t, c, "AssumeRole", test.params...)
		wantCode(t, test.about, test.code, err)
	}
	_, err := assume(t, client(server, server.Account(home).User("stranger")), "AssumeRole", good...)
	wantCode(t, "a stranger", "AccessDenied", err)

	session, err := assume(t, c, "AssumeRole", good...)
	wantCode(t, "session", "", err)
	got, err := describe(t, session)
	if err != nil || len(got.ids()) != 1 || got.ids()[0] != want {
		t.Errorf("the role sees %v (%v)", got.ids(), err)
	}
	without := session
	without.Key.Token = ""
	_, err = describe(t, without)
	wantCode(t, "without the token", "AuthFailure", err)
	server.ExpireSessions()
	_, err = describe(t, session)
	wantCode(t, "expired", "RequestExpired", err)
	_, err = describe(t, c)
	wantCode(t, "the user's own key", "", err)
}

func TestWebIdentity(t *testing.T) {
	server, _, c := start(t)
	arn := server.Account(home).Role(fake.Role{Name: "irsa", WebIdentity: "a.jwt"})
	c.Key = sigv4.Key{} // the signature does not matter
	_, err := assume(t, c, "AssumeRoleWithWebIdentity", "RoleArn", arn, "WebIdentityToken", "other")
	wantCode(t, "another token", "InvalidIdentityToken", err)
	session, err := assume(t, c, "AssumeRoleWithWebIdentity", "RoleArn", arn, "WebIdentityToken", "a.jwt")
	wantCode(t, "session", "", err)
	_, err = describe(t, session)
	wantCode(t, "listing", "", err)
}

func TestPodIdentity(t *testing.T) {
	server, _, c := start(t)
	server.Account(home).Role(fake.Role{Name: "pod", PodIdentity: "a-token"})
	get := func(token string) (int, sigv4.Key) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.PodIdentityURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", token)
		answer, err := c.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var key struct{ AccessKeyID, SecretAccessKey, Token string }
		if err := json.NewDecoder(answer.Body).Decode(&key); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, sigv4.Key{ID: key.AccessKeyID, Secret: key.SecretAccessKey, Token: key.Token}
	}
	if status, _ := get("other"); status != http.StatusBadRequest {
		t.Errorf("another token: %d", status)
	}
	_, key := get("a-token")
	_, err := describe(t, client(server, key))
	wantCode(t, "listing", "", err)
}

func TestSignatures(t *testing.T) {
	server, fleet, c := start(t)
	wrong := c
	wrong.Key.Secret = "wrong"
	_, err := describe(t, wrong)
	wantCode(t, "EC2", "AuthFailure", err)
	wantCode(t, "STS", "SignatureDoesNotMatch", wrong.Query(t.Context(), nil, "sts", "GetCallerIdentity"))
	wantCode(t, "SQS", "InvalidSignatureException", receive(t, wrong, fleet.Queue("events").URL(), nil))
	wantCode(t, "a signature for another service", "SignatureDoesNotMatch",
		c.Query(t.Context(), nil, "ec2", "GetCallerIdentity"))
	server.Account(home).DropKey(c.Key.ID)
	wantCode(t, "a key that is gone", "InvalidClientTokenId", c.Query(t.Context(), nil, "sts", "GetCallerIdentity"))

	body := url.Values{"Action": {"DescribeInstances"}}.Encode()
	answer, err := c.HTTP.Post(server.URL(), "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a signature: %s", answer.Status)
	}
}

func TestDisabledRegion(t *testing.T) {
	server, fleet, c := start(t)
	fleet.Disable(true)
	_, err := describe(t, c)
	wantCode(t, "EC2", "AuthFailure", err)
	arn := server.Account(home).Role(fake.Role{Name: "x"})
	_, err = assume(t, c, "AssumeRole", "RoleArn", arn)
	wantCode(t, "STS", "RegionDisabledException", err)
	fleet.Disable(false)
	_, err = describe(t, c)
	wantCode(t, "enabled", "", err)
}

func TestQueues(t *testing.T) {
	server, fleet, c := start(t)
	queue := fleet.Queue("events")
	var got struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	answered := make(chan error)
	go func() { answered <- receive(t, c, queue.URL(), &got) }()
	queue.Send(fleet.SpotInterruption("i-0123456789abcdef0"))
	if err := <-answered; err != nil || len(got.Messages) != 1 {
		t.Fatalf("received %v (%v)", got, err)
	}
	var event struct {
		Kind   string            `json:"detail-type"`
		Detail map[string]string `json:"detail"`
	}
	if err := json.Unmarshal([]byte(got.Messages[0].Body), &event); err != nil {
		t.Fatal(err)
	}
	if event.Kind != "EC2 Spot Instance Interruption Warning" || event.Detail["instance-id"] != "i-0123456789abcdef0" {
		t.Errorf("the event is %+v", event)
	}
	queue.Redeliver()
	wantCode(t, "again", "", receive(t, c, queue.URL(), &got))
	if queue.Len() != 1 || queue.Deleted() != 0 {
		t.Errorf("%d left, %d deleted", queue.Len(), queue.Deleted())
	}
	remove := map[string]any{"QueueUrl": queue.URL(), "ReceiptHandle": got.Messages[0].ReceiptHandle}
	wantCode(t, "delete", "", c.SQS(t.Context(), nil, "DeleteMessage", remove))
	if queue.Len() != 0 || queue.Deleted() != 1 {
		t.Errorf("%d left, %d deleted", queue.Len(), queue.Deleted())
	}

	foreign := server.Account(elsewhere).Region(region).Queue("events")
	wantCode(t, "of another account", "AccessDeniedException", receive(t, c, foreign.URL(), nil))
	go func() { answered <- receive(t, c, queue.URL(), nil) }()
	queue.Drop()
	wantCode(t, "deleted meanwhile", "QueueDoesNotExist", <-answered)
}
