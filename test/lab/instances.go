// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"externalbackend.dev/operator/test/aws/moto"
	"externalbackend.dev/operator/test/rack"
)

// Fleet is a subnet in moto that the external hosts are in: an instance that it
// runs has the address of a host, which is who answers there.
type Fleet struct {
	Moto   *moto.Client
	Subnet string
}

// StartMoto starts moto, which answers for MotoRegion from then on. It fails if the
// machine has none.
func (a *AWS) StartMoto(ctx context.Context) error {
	server, err := moto.Start(ctx)
	if err != nil {
		return err
	}
	endpoint, err := url.Parse(server.URL())
	if err != nil {
		server.Close()
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.moto, a.motoURL = server, endpoint
	return nil
}

// StopMoto ends moto, if it runs, and returns when it is gone.
func (a *AWS) StopMoto() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.moto != nil {
		a.moto.Close()
	}
	a.moto, a.motoURL = nil, nil
}

// NewFleet makes a subnet in moto. StartMoto must have been called.
func (a *AWS) NewFleet(ctx context.Context) (*Fleet, error) {
	a.mu.Lock()
	server := a.moto
	a.mu.Unlock()
	if server == nil {
		return nil, errors.New("moto does not run")
	}
	f := &Fleet{Moto: server.Client(a.Key, MotoRegion)}
	var err error
	f.Subnet, err = f.Moto.Network(ctx, rack.Segment.String(), "", MotoRegion+"a")
	return f, err
}

// Run starts an instance that has the IPv4 address of the host, and returns its id.
// No other instance of the fleet may ever have had it.
func (f *Fleet) Run(ctx context.Context, h *rack.Host, tags map[string]string) (string, error) {
	ids, err := f.Moto.Run(ctx, moto.Instance{Subnet: f.Subnet, PrivateIP: h.IP4.String(), Tags: tags})
	if err != nil {
		return "", err
	}
	if len(ids) != 1 {
		return "", fmt.Errorf("moto has started %d instances for %s", len(ids), h.Name)
	}
	return ids[0], nil
}
