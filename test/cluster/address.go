// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// The ports that FreeAddress chooses from lie below those that the system gives
// to connections and to listeners that leave the choice to it (32768 on Linux):
// nobody else takes one before the program listens that is told it.
const (
	firstFreePort = 20000
	lastFreePort  = 32000
)

// lastTried makes those of one process differ, also before anything listens.
var lastTried atomic.Uint32

func init() { lastTried.Store(rand.Uint32N(lastFreePort - firstFreePort)) }

// FreeAddress returns a loopback address and port, such as 127.0.0.1:20001, on
// which nothing listens, for a program that has to be told one. It returns an
// error if it finds none.
func FreeAddress() (string, error) {
	var failed error
	for range 100 {
		port := firstFreePort + lastTried.Add(1)%(lastFreePort-firstFreePort)
		address := net.JoinHostPort("127.0.0.1", strconv.FormatUint(uint64(port), 10))
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
		if err == nil {
			return address, listener.Close()
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}
