// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

var (
	notOwned = &translate.Problem{Reason: v1alpha1.ReasonServiceNotOwned, Message: `Service "payments" exists and is not owned by this ExternalBackend`}
	failed   = &translate.Problem{Reason: v1alpha1.ReasonWriteFailed, Message: "it could not be written and will be tried again: timeout"}
	refused  = &translate.Problem{Reason: v1alpha1.ReasonServiceUpdateRefused, Message: "the API server refuses it: exceeded quota"}
)

func managed(p *translate.Problem) func(*status.Facts) {
	return func(f *status.Facts) { f.ManagedProblem = p }
}

func local(s *corev1.Service) {
	s.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal)
}

// through has a name published itself, in a Service with that cluster IP.
func through(clusterIP string) func(*status.Facts) {
	return func(f *status.Facts) {
		eb := backend()
		eb.Spec.Targets = []v1alpha1.Target{{Name: "rack", FQDN: &v1alpha1.FQDNTarget{Hostname: "db.example.com", Resolution: v1alpha1.ResolutionPassthrough}}}
		svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "payments"}, Spec: corev1.ServiceSpec{ClusterIP: clusterIP}}
		translated := translate.ForService(eb, svc, 0)
		f.Backend.ServiceProblem, f.Backend.ServiceWarning, f.Backend.Publishable = translated.ServiceProblem, translated.ServiceWarning, translated.Publishable
	}
}

func serviceCases() []conditionCase {
	type edits = []func(*status.Facts)
	return []conditionCase{
		{"all is well", nil, v1alpha1.ConditionServiceResolved, yes, v1alpha1.ReasonServiceResolved, `Service "payments" has every port that is named`, false},
		{
			"no Service",
			edits{of(nil)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceNotFound,
			`there is no Service "payments" in this namespace: create it without a selector, or correct spec.service.name`, false,
		},
		{
			"the API server's own",
			edits{func(f *status.Facts) {
				eb := backend()
				eb.Namespace, eb.Name = "default", "kubernetes"
				translated := translate.ForService(eb, nil, 0)
				f.Backend.ServiceProblem, f.Backend.Publishable = translated.ServiceProblem, translated.Publishable
			}, managed(notOwned)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceReserved,
			`Service "kubernetes" in namespace default is the API server's own, and nothing else is ever published there: correct spec.service.name`, true,
		},
		{
			"a selector",
			edits{of(func(s *corev1.Service) { s.Spec.Selector = map[string]string{"a": "b"} })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceHasSelector,
			`Service "payments" has a selector, so Kubernetes fills it with Pods: remove spec.selector of the Service, or use another Service`, true,
		},
		{
			"ExternalName",
			edits{of(func(s *corev1.Service) { s.Spec.Type, s.Spec.Ports = corev1.ServiceTypeExternalName, nil })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceExternalName,
			`Service "payments" is of type ExternalName, which sends clients to a DNS name and has no endpoints: change its type to ClusterIP and remove externalName`, true,
		},
		{
			"terminating",
			edits{of(func(s *corev1.Service) { s.DeletionTimestamp = new(metav1.Now()) })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceTerminating, `Service "payments" is being deleted`, false,
		},
		{
			"a port that is not there",
			edits{of(func(*corev1.Service) {}, v1alpha1.BackendPort{Name: "http", Port: 1}, v1alpha1.BackendPort{Name: "web", Port: 2})},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonPortNotFound,
			`spec.ports names "web" (TCP), but Service "payments" has "http" (TCP): use the name and protocol of a port of the Service`, true,
		},
		{
			"a named targetPort",
			edits{of(func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromString("web") })},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonTargetPortNamed,
			`Service "payments" has ports whose targetPort is a name, which means nothing outside the cluster: "http" (targetPort "web"): list them in spec.ports with their number`, true,
		},
		{
			"a traffic policy that keeps traffic on the node",
			edits{of(local)},
			v1alpha1.ConditionServiceResolved, yes, v1alpha1.ReasonTrafficPolicyLocal,
			`Service "payments" has internalTrafficPolicy: Local, with which nodes drop traffic to addresses outside the cluster: set it to Cluster`, false,
		},
		{
			"more labels than slices get",
			edits{of(func(s *corev1.Service) {
				s.Labels = make(map[string]string)
				for i := range 100 {
					s.Labels[strconv.Itoa(i)] = ""
				}
			})},
			v1alpha1.ConditionServiceResolved, yes, v1alpha1.ReasonTooManyLabels,
			`Service "payments" has 100 labels, and its EndpointSlices have the first 64 of them only, in the order of their keys: remove labels from it`, false,
		},
		{
			"a name that is passed through",
			edits{through(corev1.ClusterIPNone)},
			v1alpha1.ConditionServiceResolved, yes, v1alpha1.ReasonPassthroughDeprecated,
			`Service "payments" is served with a name, in an EndpointSlice of type FQDN: Kubernetes has deprecated these, and kube-proxy and most other consumers ignore them: use resolution: Resolve unless yours is known to read them`, false,
		},
		{
			"a name behind a cluster IP",
			edits{through("10.96.0.1")},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceNotHeadless,
			`Service "payments" has a cluster IP, behind which no name works: make it a headless Service (clusterIP: None), or use resolution: Resolve`, true,
		},
		{
			"a problem goes before a warning",
			edits{of(local, v1alpha1.BackendPort{Name: "http", Port: 1}, v1alpha1.BackendPort{Name: "web", Port: 2})},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonPortNotFound,
			`spec.ports names "web" (TCP), but Service "payments" has "http" (TCP): use the name and protocol of a port of the Service`, true,
		},
		{
			"managed, and somebody else's",
			edits{managed(notOwned)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceNotOwned, notOwned.Message, true,
		},
		{
			"managed, and somebody else's with a traffic policy",
			edits{of(local), managed(notOwned)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceNotOwned, notOwned.Message, true,
		},
		{
			"managed, and a change is refused",
			edits{managed(refused)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceUpdateRefused, refused.Message, true,
		},
		{
			"managed, and a write failed for a reason that passes",
			edits{managed(failed)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonWriteFailed, failed.Message, false,
		},
		{
			"managed, and creating it is refused: missing for that reason",
			edits{of(nil), managed(refused)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceUpdateRefused, refused.Message, true,
		},
		{
			"what keeps a Service from being served goes before what it should be",
			edits{of(func(s *corev1.Service) { s.DeletionTimestamp = new(metav1.Now()) }), managed(refused)},
			v1alpha1.ConditionServiceResolved, no, v1alpha1.ReasonServiceTerminating, `Service "payments" is being deleted`, false,
		},
	}
}
