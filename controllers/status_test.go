// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// statusOf returns the status that kubectl shows.
func (s *scene) statusOf(ctx context.Context, name string) v1alpha1.ExternalBackendStatus {
	GinkgoHelper()
	var eb v1alpha1.ExternalBackend
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &eb)).To(Succeed())
	return eb.Status
}

// condition returns one condition; the zero value if it is not there.
func (s *scene) condition(ctx context.Context, name, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(s.statusOf(ctx, name).Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// says matches a condition by status, reason and parts of its message.
func says(status metav1.ConditionStatus, reason string, parts ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{HaveField("Status", status), HaveField("Reason", reason)}
	for _, part := range parts {
		matchers = append(matchers, HaveField("Message", ContainSubstring(part)))
	}
	return And(matchers...)
}

// yes and no match a condition that is True or False for a reason.
func yes(reason string, parts ...string) types.GomegaMatcher {
	return says(metav1.ConditionTrue, reason, parts...)
}

func no(reason string, parts ...string) types.GomegaMatcher {
	return says(metav1.ConditionFalse, reason, parts...)
}

// expectCondition waits until a condition is so.
func (s *scene) expectCondition(ctx context.Context, name, kind string, match types.GomegaMatcher) {
	GinkgoHelper()
	Eventually(s.condition).WithContext(ctx).WithArguments(name, kind).Should(match, "condition %s of %s", kind, name)
}
