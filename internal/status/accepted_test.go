// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

func acceptedCases() []conditionCase {
	type edits = []func(*status.Facts)
	return []conditionCase{
		{"all is well", nil, v1alpha1.ConditionAccepted, yes, v1alpha1.ReasonAccepted, "the whole spec can be acted on", false},
		{
			"an address is denied",
			edits{reject("rack", "127.0.0.1")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonAddressDenied,
			`1 address is left out, all others are served: target "rack": 127.0.0.1 must not be targeted: loopback (127.0.0.0/8)`, true,
		},
		{
			"one is denied, one is no address",
			edits{reject("rack", "010.0.0.1"), reject("spare", "::ffff:169.254.169.254")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonAddressDenied,
			`2 addresses are left out, all others are served: target "rack": "010.0.0.1" is not an IPv4 or IPv6 address; ` +
				`target "spare": 169.254.169.254 must not be targeted: link-local, where metadata services live (169.254.0.0/16)`, true,
		},
		{
			"no address",
			edits{reject("rack", "host")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonInvalidSpec,
			`1 address is left out, all others are served: target "rack": "host" is not an IPv4 or IPv6 address`, true,
		},
		{"a value of the spec", edits{func(f *status.Facts) {
			f.Backend.SpecProblem = &translate.Problem{Reason: v1alpha1.ReasonInvalidSpec, Message: `spec.healthCheck.interval: "x" is wrong`}
		}}, v1alpha1.ConditionAccepted, no, v1alpha1.ReasonInvalidSpec, `spec.healthCheck.interval: "x" is wrong`, true},
		{
			"nothing to check",
			edits{of(func(s *corev1.Service) { s.Spec.Ports[0].Protocol = corev1.ProtocolUDP })},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonCheckPortNotFound,
			`check "tcp" has no port and no TCP port is published that it could go to: set its port to a number, or use a check of kind none`, true,
		},
		{
			"an annotation is not allowed",
			edits{func(f *status.Facts) {
				eb := backend()
				eb.Spec.Service.Management = v1alpha1.ServiceManaged
				eb.Spec.Service.Template = &v1alpha1.ServiceTemplate{Annotations: map[string]string{"example.com/a": "b"}}
				f.Backend.SpecProblem = translate.AnnotationRules(nil).Problem(eb)
			}},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonAnnotationDenied,
			"spec.service.template.annotations has example.com/a, which the operator's administrator does not allow: " +
				"remove them, or have them added to the flag --managed-service-annotations", true,
		},
	}
}
