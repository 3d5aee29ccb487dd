// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fake is AWS for tests: a server that speaks the wire protocols of EC2,
// STS, Auto Scaling and SQS as far as this project uses them, and the endpoint of
// EKS Pod Identity. It verifies signatures, keeps accounts and regions apart, and
// answers with the error codes of AWS.
//
// The test says what there is (Account, Region), which instances change and when,
// and what goes wrong (Inject). Nothing happens by itself: an instance stays
// pending or stopping until Settle. Requests are recorded.
package fake
