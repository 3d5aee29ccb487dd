// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/aws/sigv4"
)

// fakeWorld is the fake of this project.
type fakeWorld struct {
	server *fake.Server
	key    sigv4.Key
	denied sigv4.Key
}

func newFake(t *testing.T) world {
	server, err := fake.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	account := server.Account(home)
	w := &fakeWorld{server: server, key: account.User("operator"), denied: account.User("nobody")}
	return w
}

func (w *fakeWorld) name() string    { return "fake" }
func (w *fakeWorld) url() string     { return w.server.URL() }
func (w *fakeWorld) user() sigv4.Key { return w.key }

// restricted: the fake denies what it is told to.
func (w *fakeWorld) restricted() sigv4.Key {
	w.server.Inject(fake.Fault{Operation: "DescribeInstances", Effect: fake.Deny()})
	return w.denied
}

func (w *fakeWorld) role(account string) ec2.Role {
	arn := w.server.Account(account).Role(fake.Role{
		Name: "externalbackend", ExternalID: external, SessionTags: map[string]string{"team": "platform"},
	})
	return ec2.Role{ARN: arn, ExternalID: external, SessionTags: map[string]string{"team": "platform"}}
}

func (w *fakeWorld) launch() string {
	return w.server.Account(home).Region(region).Launch(fake.Instance{})
}

func (w *fakeWorld) fleet(account, region string) fleet {
	return fakeFleet{w.server.Account(account).Region(region)}
}

type fakeFleet struct{ region *fake.Region }

func (f fakeFleet) run(count int, spec spec) []string {
	specs := make([]fake.Instance, count)
	for n := range specs {
		specs[n] = fake.Instance{Zone: zone, PrivateIP: spec.address, Tags: spec.tags}
	}
	ids := f.region.LaunchAll(specs...)
	f.region.Settle(ids...)
	return ids
}

func (f fakeFleet) stop(id string) {
	f.region.Stop(id)
	f.region.Settle(id)
}

func (f fakeFleet) start(id string) {
	f.region.Start(id)
	f.region.Settle(id)
}

func (f fakeFleet) terminate(id string) {
	f.region.Terminate(id)
	f.region.Settle(id)
}

func (f fakeFleet) tag(id, key, value string) { f.region.Tag(id, key, value) }
func (f fakeFleet) untag(id, key string)      { f.region.Untag(id, key) }

func (f fakeFleet) attach(id string, index int, eni eni) string {
	added := fake.Interface{
		ID: fmt.Sprintf("eni-%s%02d", id[len("i-"):len(id)-2], index), DeviceIndex: index,
		SubnetID: "subnet-00000000000000001", Status: "in-use", Attachment: "attached",
		IPv6: eni.ipv6, Tags: eni.tags,
	}
	for _, address := range eni.ipv4 {
		added.Addresses = append(added.Addresses, fake.Address{Private: address})
	}
	f.region.Update(id, func(i *fake.Instance) { i.Interfaces = append(i.Interfaces, added) })
	return added.ID
}

func (f fakeFleet) publish(eni string) string {
	const public = "203.0.113.7"
	for _, id := range f.region.IDs() {
		f.region.Update(id, func(i *fake.Instance) {
			for n := range i.Interfaces {
				if i.Interfaces[n].ID == eni {
					i.Interfaces[n].Addresses[0].Public = public
				}
			}
		})
	}
	return public
}

func (f fakeFleet) primary(id string) string { return f.region.Instance(id).Interfaces[0].ID }

func (f fakeFleet) join(id string)    { f.lifecycle(id, "InService") }
func (f fakeFleet) standby(id string) { f.lifecycle(id, "Standby") }
func (f fakeFleet) resume(id string)  { f.lifecycle(id, "InService") }

func (f fakeFleet) lifecycle(id, state string) {
	f.region.Update(id, func(i *fake.Instance) { i.Group, i.Lifecycle = group, state })
}

func (f fakeFleet) queue(name string) string { return f.region.Queue(name).URL() }
func (f fakeFleet) send(url, body string)    { f.region.Queue(last(url)).Send(body) }
func (f fakeFleet) left(url string) int      { return f.region.Queue(last(url)).Len() }

func last(url string) string { return url[strings.LastIndex(url, "/")+1:] }
