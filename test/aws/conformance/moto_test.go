// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/test/aws/moto"
	"externalbackend.dev/operator/test/aws/sigv4"
)

// server is moto, which all tests share, one after another.
var server *moto.Server

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	var err error
	server, err = moto.Start(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(ended{m})
}

// ended ends moto before anybody looks for what is left over.
type ended struct{ m *testing.M }

func (e ended) Run() int {
	defer server.Close()
	return e.m.Run()
}

// motoWorld is moto server. A key that moto does not know belongs to home.
type motoWorld struct {
	t     *testing.T
	admin *moto.Client
	key   sigv4.Key // of the user, once there is one
}

func newMoto(t *testing.T) world {
	if err := server.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &motoWorld{t: t, admin: server.Client(sigv4.Key{ID: "AKIAADMINISTRATOR000", Secret: "secret"}, region)}
}

func (w *motoWorld) name() string { return "moto" }
func (w *motoWorld) url() string  { return server.URL() }

func (w *motoWorld) user() sigv4.Key {
	if w.key.ID == "" {
		w.key = must(w.admin.User(w.t.Context(), "operator", "*"))(w.t)
	}
	return w.key
}

func (w *motoWorld) restricted() sigv4.Key {
	key := must(w.admin.User(w.t.Context(), "nobody"))(w.t)
	check(w.t, server.Enforce(w.t.Context(), true))
	return key
}

func (w *motoWorld) role(account string) ec2.Role {
	arn := must(w.in(account, region).Role(w.t.Context(), "externalbackend"))(w.t)
	return ec2.Role{ARN: arn, ExternalID: external, SessionTags: map[string]string{"team": "platform"}}
}

func (w *motoWorld) launch() string { return w.fleet(home, region).run(1, spec{})[0] }

func (w *motoWorld) fleet(account, region string) fleet {
	client := w.in(account, region)
	subnet := must(client.Network(w.t.Context(), network4, network6, region+zone[len(zone)-1:]))(w.t)
	return motoFleet{w.t, client, subnet}
}

// in is who administers an account.
func (w *motoWorld) in(account, region string) *moto.Client {
	client := w.admin
	if account != home {
		client = must(client.Assume(w.t.Context(), "arn:aws:iam::"+account+":role/administrator"))(w.t)
	}
	return server.Client(client.Key, region)
}

type motoFleet struct {
	t      *testing.T
	client *moto.Client
	subnet string
}

func (f motoFleet) run(count int, spec spec) []string {
	return must(f.client.Run(f.t.Context(), moto.Instance{
		Subnet: f.subnet, PrivateIP: spec.address, Tags: spec.tags, Count: count,
	}))(f.t)
}

func (f motoFleet) stop(id string)       { check(f.t, f.client.Stop(f.t.Context(), id)) }
func (f motoFleet) start(id string)      { check(f.t, f.client.Start(f.t.Context(), id)) }
func (f motoFleet) terminate(id string)  { check(f.t, f.client.Terminate(f.t.Context(), id)) }
func (f motoFleet) untag(id, key string) { check(f.t, f.client.Untag(f.t.Context(), id, key)) }

func (f motoFleet) tag(id, key, value string) {
	check(f.t, f.client.Tag(f.t.Context(), id, map[string]string{key: value}))
}

func (f motoFleet) attach(id string, index int, eni eni) string {
	return must(f.client.Attach(f.t.Context(), id, index, moto.Interface{
		Subnet: f.subnet, IPv4: eni.ipv4, IPv6: eni.ipv6, Tags: eni.tags,
	}))(f.t)
}

func (f motoFleet) publish(eni string) string {
	return must(f.client.Publish(f.t.Context(), eni))(f.t)
}

func (f motoFleet) primary(id string) string {
	var answer struct {
		IDs []string `xml:"reservationSet>item>instancesSet>item>networkInterfaceSet>item>networkInterfaceId"`
	}
	check(f.t, f.client.Query(f.t.Context(), &answer, "ec2", "DescribeInstances", "InstanceId.1", id))
	return answer.IDs[0]
}

func (f motoFleet) join(id string) {
	check(f.t, f.client.Group(f.t.Context(), group, zone))
	check(f.t, f.client.Join(f.t.Context(), group, id))
}

func (f motoFleet) standby(id string) { check(f.t, f.client.EnterStandby(f.t.Context(), group, id)) }
func (f motoFleet) resume(id string)  { check(f.t, f.client.ExitStandby(f.t.Context(), group, id)) }

func (f motoFleet) queue(name string) string {
	return must(f.client.Queue(f.t.Context(), name))(f.t)
}

func (f motoFleet) send(url, body string) { check(f.t, f.client.Send(f.t.Context(), url, body)) }

func (f motoFleet) left(url string) int {
	var answer struct{ Attributes map[string]string }
	check(f.t, f.client.SQS(f.t.Context(), &answer, "GetQueueAttributes",
		map[string]any{"QueueUrl": url, "AttributeNames": []string{"All"}}))
	total := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		total += must(strconv.Atoi(answer.Attributes[name]))(f.t)
	}
	return total
}

// must returns what there is, or ends the test if there is an error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		check(t, err)
		return value
	}
}

// check ends the test if there is an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
