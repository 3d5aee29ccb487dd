// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// sockets executes checks over a fresh connection each, closed with a reset:
// nothing is left in TIME_WAIT on either side, and little in connection
// tracking on the way.
type sockets struct {
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	userAgent string
	slots     *turnstile // for what needs much of the processor
	// credentials returns what a check sends to an address, or why it cannot.
	credentials func(*health.Check, health.SecretKey, netip.Addr) (string, health.Reason)
}

func newSockets(o Options) *sockets {
	processors := runtime.GOMAXPROCS(0)
	e := &sockets{
		dial:      newDial(o.Guard),
		userAgent: "externalbackend-operator-health-check/" + o.Version,
		// One namespace leaves a processor to everything else.
		slots:       newTurnstile(2*processors, max(1, processors-1)),
		credentials: o.Credentials,
	}
	if o.Dial != nil {
		e.dial = resetOnClose(o.Dial)
	}
	return e
}

// conversation is what a check does on an established connection.
type conversation func(ctx context.Context, conn net.Conn, addr netip.Addr) finding

// Prepare implements Executor.
func (e *sockets) Prepare(check *health.Check) Run {
	secure := func(talk conversation) conversation { return talk }
	if check.TLS != nil {
		profile, err := newTLSProfile(check, e.slots)
		if err != nil {
			return func(context.Context, netip.Addr) health.Result {
				return health.Result{Outcome: health.Indeterminate, Reason: health.InvalidCABundle}
			}
		}
		secure = profile.secure
	}
	var exchange *httpExchange
	var talk conversation
	if check.Kind == health.HTTP {
		exchange = newHTTPExchange(check, e.userAgent, e.slots)
		talk = exchange.talk
	}
	talk = secure(talk)
	return func(ctx context.Context, addr netip.Addr) health.Result {
		start, to, talk := time.Now(), netip.AddrPortFrom(addr.Unmap(), check.Port), talk
		if exchange != nil && len(exchange.credentials) > 0 {
			filled, problem := exchange.with(func(from health.SecretKey) (string, health.Reason) {
				return e.credentials(check, from, to.Addr())
			})
			if problem != "" {
				return health.Result{Outcome: health.Indeterminate, Reason: problem}
			}
			talk = secure(filled.talk)
		}
		v := visitOf(ctx)
		f := v.excuse(e.execute(v, to, talk))
		return health.Result{Outcome: f.outcome, Reason: f.reason, Code: f.code, Latency: time.Since(start)}
	}
}

// execute connects and, if there is anything to talk about, talks.
func (e *sockets) execute(ctx context.Context, to netip.AddrPort, talk conversation) finding {
	conn, err := e.dial(ctx, "tcp", to.String())
	if err != nil {
		return classify(ctx, err, health.ConnectTimeout)
	}
	defer conn.Close()
	if talk == nil {
		return passed
	}
	defer interruptAt(ctx, conn)()
	return talk(ctx, conn, to.Addr())
}

// interruptAt makes reads and writes on conn fail as soon as ctx is done. The
// returned function ends that; afterwards nothing of it is running any more.
func interruptAt(ctx context.Context, conn net.Conn) func() {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetDeadline(time.Unix(1, 0)) // fails only on a connection that is closed
	})
	return func() {
		if !stop() {
			<-interrupted
		}
	}
}
