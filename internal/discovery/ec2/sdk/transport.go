// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	dialTimeout = 5 * time.Second
	tlsTimeout  = 5 * time.Second
	idleTimeout = 90 * time.Second
	// headerTimeout is longer than the longest that a server waits on purpose.
	headerTimeout = receiveWait + 5*time.Second
)

// newClient returns the HTTP client of all calls. Requests are signed: they follow
// no redirection.
func newClient() *http.Client {
	transport := &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
	}
	tune(transport)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func tune(transport *http.Transport) {
	transport.Proxy = proxy
	transport.TLSHandshakeTimeout = tlsTimeout
	transport.ResponseHeaderTimeout = headerTimeout
	transport.IdleConnTimeout = idleTimeout
	transport.MaxIdleConnsPerHost = 8
	transport.ForceAttemptHTTP2 = true
}

// newBuildable returns a client that the SDK can change, which it does for
// AWS_CA_BUNDLE and for the sources of credentials. Each of its clients has
// connections of its own then.
func newBuildable() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(tune).WithDialerOptions(func(d *net.Dialer) {
		d.Timeout = dialTimeout
	})
}

// trusting returns the client, or one like it that trusts what the SDK made
// another one trust.
func trusting(client *http.Client, other aws.HTTPClient) *http.Client {
	buildable, ok := other.(*awshttp.BuildableClient)
	if !ok {
		return client
	}
	config := buildable.GetTransport().TLSClientConfig
	transport, ok := client.Transport.(*http.Transport)
	if !ok || config == nil || config.RootCAs == nil {
		return client
	}
	transport = transport.Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12}
	changed := *client
	changed.Transport = transport
	return &changed
}

// proxy is that of the environment, but none for the sources of credentials on the
// own machine, which a proxy cannot reach.
func proxy(request *http.Request) (*url.URL, error) {
	if addr, err := netip.ParseAddr(request.URL.Hostname()); err == nil {
		if addr.IsLoopback() || addr.IsLinkLocalUnicast() || metadataIPv6.Contains(addr) {
			return nil, nil
		}
	}
	return http.ProxyFromEnvironment(request)
}

// metadataIPv6 has the addresses of AWS services on the own machine.
var metadataIPv6 = netip.MustParsePrefix("fd00:ec2::/32")
