// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"

	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/aws/moto"
	"externalbackend.dev/operator/test/aws/sigv4"
)

// Regions of the lab's AWS: whose answers a request gets goes by the region that
// it is signed for.
const (
	// MotoRegion is moto's, once StartMoto has started it.
	MotoRegion = "eu-west-1"
	// FakeRegion is that of package fake, and of no other.
	FakeRegion = "eu-central-1"
	// FakeAccount is the account there that the operator's key belongs to.
	FakeAccount = "111122223333"
)

// awsEndpoint is where the operator finds AWS. Nothing else listens on that port.
const awsEndpoint = "127.0.0.1:4566"

// instancesRefresh is how often the operator lists instances: as often as it can.
const instancesRefresh = "10s"

// AWS is what the operator takes for AWS, on the node's loopback. It answers from
// the start, in FakeRegion.
type AWS struct {
	// Fake answers for FakeRegion: with what the case says, and with faults.
	Fake *fake.Server
	// Key is the operator's own access key. Moto takes any.
	Key sigv4.Key

	mu      sync.Mutex
	moto    *moto.Server // nil: not started
	motoURL *url.URL
	server  *http.Server  // nil while AWS is down
	ended   chan struct{} // closed when it has ended
}

func newAWS() (*AWS, error) {
	server, err := fake.Start()
	if err != nil {
		return nil, err
	}
	a := &AWS{Fake: server, Key: server.Account(FakeAccount).User("operator")}
	return a, a.Up()
}

// Region is FakeRegion as the operator's account sees it.
func (a *AWS) Region() *fake.Region { return a.Fake.Account(FakeAccount).Region(FakeRegion) }

// Up has AWS answer again.
func (a *AWS) Up() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil {
		return nil
	}
	listener, err := net.Listen("tcp", awsEndpoint)
	if err != nil {
		return err
	}
	a.server, a.ended = &http.Server{Handler: a.router()}, make(chan struct{})
	go func(server *http.Server, ended chan struct{}) {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}(a.server, a.ended)
	return nil
}

// Down has AWS refuse connections, and ends those that are open.
func (a *AWS) Down() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server == nil {
		return nil
	}
	err := a.server.Close()
	<-a.ended
	a.server = nil
	return err
}

// router passes requests on as they are: their signatures are for the address that
// the client knows.
func (a *AWS) router() http.Handler {
	return &httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(a.behind(r.In))
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // a broken connection behind is one in front
		},
	}
}

// behind says who answers a request.
func (a *AWS) behind(r *http.Request) *url.URL {
	a.mu.Lock()
	defer a.mu.Unlock()
	signed, err := sigv4.Parse(r.Header)
	if err == nil && signed.Region == MotoRegion && a.motoURL != nil {
		return a.motoURL
	}
	return &url.URL{Scheme: "http", Host: a.Fake.Addr().String()}
}

// Environment makes a program take it for AWS, in the region.
func (a *AWS) Environment(region string) []string {
	return []string{
		"AWS_ENDPOINT_URL=http://" + awsEndpoint, "AWS_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + a.Key.ID, "AWS_SECRET_ACCESS_KEY=" + a.Key.Secret,
	}
}
