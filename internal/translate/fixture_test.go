// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

var created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// backend is an ExternalBackend as an API server without defaults would store
// it.
func backend(edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
	eb := &v1alpha1.ExternalBackend{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments", UID: "uid-1", CreationTimestamp: metav1.NewTime(created)},
		Spec: v1alpha1.ExternalBackendSpec{
			Targets: []v1alpha1.Target{{Name: "rack", IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.1"}}}},
		},
	}
	for _, edit := range edits {
		edit(eb)
	}
	return eb
}

// service is a Service with a cluster IP and one unnamed TCP port, 80 to 8080,
// unless ports are given.
func service(ports ...corev1.ServicePort) *corev1.Service {
	if len(ports) == 0 {
		ports = []corev1.ServicePort{servicePort("", 80, 8080)}
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments", UID: "svc-1"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.1",
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, Ports: ports,
		},
	}
}

func servicePort(name string, port, targetPort int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromInt32(targetPort)}
}

func udp(port corev1.ServicePort) corev1.ServicePort {
	port.Protocol = corev1.ProtocolUDP
	return port
}

// portsText writes down ports, and fails on pointers that are nil (rule 12).
func portsText(t *testing.T, ports []discoveryv1.EndpointPort) string {
	t.Helper()
	var words []string
	for _, p := range ports {
		if p.Name == nil || p.Protocol == nil || p.Port == nil {
			t.Fatalf("port with a nil field: %+v", p)
		}
		text := fmt.Sprintf("%s:%d/%s", *p.Name, *p.Port, *p.Protocol)
		if p.AppProtocol != nil {
			text += "=" + *p.AppProtocol
		}
		words = append(words, text)
	}
	return strings.Join(words, " ")
}

// checkProblem compares a problem with a reason and what its message must
// name. An empty reason stands for no problem.
func checkProblem(t *testing.T, got *translate.Problem, reason string, culprits ...string) {
	t.Helper()
	if got == nil {
		if reason != "" {
			t.Errorf("no problem, want %s", reason)
		}
		return
	}
	if got.Reason != reason {
		t.Errorf("problem %s (%s), want %q", got.Reason, got.Message, reason)
	}
	for _, culprit := range culprits {
		if !strings.Contains(got.Message, culprit) {
			t.Errorf("%q does not name %q", got.Message, culprit)
		}
	}
}
