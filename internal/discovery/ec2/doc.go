// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ec2 finds out which EC2 instances there are, in the background, and
// keeps what it last knew. There is one listing for each identity and region,
// however many subscribers ask for however much of it: it is paginated, narrowed
// to what they have in common, and made again and again. Everything that they ask
// is answered from it in memory.
//
// A listing counts as a whole or not at all. That an instance is missing from one
// says nothing by itself: it is then asked for by its id, and believed to be gone
// once it was missing that way, too, three times in a row.
//
// What a listing does not say, such as the states of instances in Auto Scaling groups,
// is asked for afterwards, by itself: it delays no listing, and what was known of it
// stays when it fails.
//
// The package knows neither the AWS SDK nor Kubernetes: it calls AWS through API.
package ec2
