// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Layer says what denies.
type Layer uint8

const (
	// LayerHard rules are compiled in.
	LayerHard Layer = iota + 1
	// LayerCluster rules are the cluster's own networks and what administrators
	// deny to all.
	LayerCluster
	// LayerPolicy is an ExternalBackendPolicy that denies it, or all of those
	// that select the namespace, none of which allows it.
	LayerPolicy
	// LayerNoPolicy is the lack of any policy with an allow part that selects
	// the namespace, where it takes one.
	LayerNoPolicy
)

// String returns the layer's name.
func (l Layer) String() string {
	switch l {
	case LayerHard:
		return "Hard"
	case LayerCluster:
		return "Cluster"
	case LayerPolicy:
		return "Policy"
	case LayerNoPolicy:
		return "NoPolicy"
	default:
		return "Invalid"
	}
}

// DeniedError says that something must not be targeted, or not be done to a
// target, and why.
type DeniedError struct {
	// Addr is the address as it was asked for; zero if none was, or if it has
	// no part in this.
	Addr netip.Addr
	// Carried is the IPv4 address inside Addr that is denied; zero if Addr
	// itself is.
	Carried netip.Addr
	// Port is the port that is denied; 0 if it has no part in this.
	Port uint16
	// Hostname is the name as it was asked for.
	Hostname string
	// Use says what was to be done, if that is what is denied.
	Use string
	// Range is the denied range that the address lies in, if one denies it. The
	// text tells hard ranges only: with others, whoever may write a spec would
	// draw a map of the cluster and of what policies are about.
	Range netip.Prefix
	// Why says in a few words what denies it, or what lives in the range.
	Why string
	// Policy is the name of the policy that denies it, or the names of those
	// that might have allowed it, sorted and separated by ", ".
	Policy string
	// Layer says what denies.
	Layer Layer
	// Staged is true if only a network denies it that is not enforced yet.
	Staged bool
	// Since is the Network's if Staged.
	Since time.Time
}

// Error implements error.
func (e *DeniedError) Error() string {
	var text strings.Builder
	text.WriteString(e.subject())
	text.WriteString(": ")
	text.WriteString(e.Why)
	if e.Range.IsValid() && e.Layer == LayerHard {
		fmt.Fprintf(&text, " (%s)", e.Range)
	}
	text.WriteString(e.advice())
	return text.String()
}

func (e *DeniedError) subject() string {
	place := ""
	switch {
	case e.Hostname != "":
		place = fmt.Sprintf("%q", e.Hostname)
	case e.Addr.IsValid() && e.Port != 0:
		place = netip.AddrPortFrom(e.Addr, e.Port).String()
	case e.Addr.IsValid():
		place = e.Addr.String()
	case e.Port != 0:
		place = fmt.Sprintf("port %d", e.Port)
	}
	if e.Carried.IsValid() {
		place += fmt.Sprintf(", which carries %s,", e.Carried)
	}
	switch {
	case e.Use != "" && place != "":
		return e.Use + " must not be used on " + place
	case e.Use != "":
		return e.Use + " must not be used"
	case place == "":
		place = "this"
	}
	return place + " must not be targeted"
}

// advice says what a user can do about it. Hard rules say it themselves, where
// there is anything.
func (e *DeniedError) advice() string {
	switch {
	case e.Staged:
		return "; what was published before this was known stays as it is until --cluster-deny-delay is over"
	case e.Layer == LayerCluster:
		return "; choose one outside of the cluster and of what its administrators deny"
	case e.Layer == LayerPolicy:
		return "; choose what is allowed, or ask an administrator to change the policy"
	case e.Layer == LayerNoPolicy:
		return "; ask an administrator for one"
	default:
		return ""
	}
}
