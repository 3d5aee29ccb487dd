// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"externalbackend.dev/operator/api/v1alpha1"
)

const (
	// serviceName is that of the Service in every namespace of the benchmark.
	serviceName = "backend"
	// An ExternalBackend has at most 5000 addresses, 1000 an entry.
	maxPerBackend, maxPerEntry = 5000, 1000
)

// addressBlock returns count addresses that no other block has.
func addressBlock(block, count int) []string {
	list := make([]string, count)
	for n := range list {
		list[n] = fmt.Sprintf("10.%d.%d.%d", 100+block, n/250, n%250+1)
	}
	return list
}

func createNamespace(ctx context.Context, kube kubernetes.Interface, name string) error {
	_, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	return err
}

// createService makes a Service with one port; without a selector it waits for
// slices of somebody's making.
func createService(ctx context.Context, kube kubernetes.Interface, namespace string, selector map[string]string) error {
	_, err := kube.CoreV1().Services(namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName},
		Spec: corev1.ServiceSpec{
			Selector: selector,
			Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}, metav1.CreateOptions{})
	return err
}

// externalBackends returns as few ExternalBackends as can have the addresses.
func externalBackends(namespace string, addresses []string, interval time.Duration) []*v1alpha1.ExternalBackend {
	var list []*v1alpha1.ExternalBackend
	for chunk := range slices.Chunk(addresses, maxPerBackend) {
		eb := &v1alpha1.ExternalBackend{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("part-%d", len(list))},
		}
		eb.Spec.Service.Name = serviceName
		eb.Spec.HealthCheck.Interval = v1alpha1.Duration(interval.String())
		for entry := range slices.Chunk(chunk, maxPerEntry) {
			target := v1alpha1.Target{Name: fmt.Sprintf("rack-%d", len(eb.Spec.Targets)), IP: &v1alpha1.IPTarget{}}
			for _, address := range entry {
				target.IP.Addresses = append(target.IP.Addresses, v1alpha1.IPAddress(address))
			}
			eb.Spec.Targets = append(eb.Spec.Targets, target)
		}
		list = append(list, eb)
	}
	return list
}
