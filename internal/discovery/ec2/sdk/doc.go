// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sdk asks AWS about EC2 instances with the AWS SDK. It implements the
// interfaces of package ec2: it says things in that package's words, turns every
// error into an ec2.Failure, and keeps to a rate, to deadlines and to sizes.
//
// Only the operations that are used are referred to, each as a function: the linker
// then leaves out the hundreds of others. No client of the SDK may be put into an
// interface.
package sdk
