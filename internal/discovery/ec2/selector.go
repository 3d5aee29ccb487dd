// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

// Selector selects instances: those that have one of IDs, if there are any, and
// match every filter. One without either selects nothing.
type Selector struct {
	IDs     []string
	Filters []Filter
}

// Filter is a condition on one property, in the words of the EC2 API: the value
// must match one of Values, in which * stands for any characters, ? for one or
// none, and \ takes the next one literally.
type Filter struct {
	Name   string
	Values []string
}

// Family says which addresses of a family are used.
type Family string

// Values of Family. Public is for IPv4 only.
const (
	None    Family = ""
	Private Family = "Private" // of IPv6, the primary address
	Public  Family = "Public"
)

// Choice says which addresses of an instance are used.
type Choice struct {
	IPv4, IPv6 Family
	// Secondary includes all addresses of an interface.
	Secondary bool
	Interface InterfaceSelector
}

// InterfaceSelector selects attached interfaces: by TagKey if it is set, else by
// SubnetID if that is, else by DeviceIndex.
type InterfaceSelector struct {
	DeviceIndex int
	SubnetID    string
	TagKey      string
	TagValue    *string // nil: any
}
