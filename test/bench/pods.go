// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	nodeCount = 10
	// kubelets is how many status updates of Pods are under way at once, as
	// from as many nodes.
	kubelets = 16
)

// theirs is kube-controller-manager, with Pods that no kubelet runs: the
// benchmark says in their status what a kubelet would.
type theirs struct {
	*process
	kube      kubernetes.Interface
	namespace string
	pods      map[string]string // by address
}

func (*theirs) name() string { return sideTheirs }

// flip says of Pods that they are ready or not. Each is known when the API
// server has answered, which is to the advantage of this side: a kubelet knows
// the verdict before it sends it.
func (t *theirs) flip(ctx context.Context, addresses []string, ready bool, _ time.Duration) ([]moment, error) {
	known := make([]moment, len(addresses))
	return known, concurrently(len(addresses), func(i int) error {
		err := t.patch(ctx, t.pods[addresses[i]], readiness(ready))
		known[i] = now()
		return err
	})
}

func readiness(ready bool) corev1.PodStatus {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return corev1.PodStatus{Conditions: []corev1.PodCondition{
		{Type: corev1.ContainersReady, Status: status, LastTransitionTime: metav1.Now()},
		{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.Now()},
	}}
}

func (t *theirs) patch(ctx context.Context, pod string, status corev1.PodStatus) error {
	body, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = t.kube.CoreV1().Pods(t.namespace).Patch(ctx, pod, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

// createNodes makes the Nodes that Pods are bound to: API objects, no more.
func createNodes(ctx context.Context, kube kubernetes.Interface) error {
	return concurrently(nodeCount, func(i int) error {
		_, err := kube.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)}}, metav1.CreateOptions{})
		return err
	})
}

func nodeName(i int) string { return fmt.Sprintf("node-%d", i%nodeCount) }

// createPods makes a ready Pod for every address.
func (t *theirs) createPods(ctx context.Context, addresses []string) error {
	t.pods = make(map[string]string, len(addresses))
	for i, address := range addresses {
		t.pods[address] = fmt.Sprintf("pod-%d", i)
	}
	return concurrently(len(addresses), func(i int) error {
		name := t.pods[addresses[i]]
		_, err := t.kube.CoreV1().Pods(t.namespace).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": serviceName}},
			Spec: corev1.PodSpec{
				NodeName:   nodeName(i),
				Containers: []corev1.Container{{Name: "app", Image: "app"}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		status := readiness(true)
		status.Phase = corev1.PodRunning
		status.PodIP, status.PodIPs = addresses[i], []corev1.PodIP{{IP: addresses[i]}}
		return t.patch(ctx, name, status)
	})
}

// concurrently calls do for 0 to count-1, as many at a time as there are
// kubelets, and returns what failed.
func concurrently(count int, do func(int) error) error {
	var workers sync.WaitGroup
	next := make(chan int)
	failed := make([]error, kubelets)
	for worker := range kubelets {
		workers.Go(func() {
			for i := range next {
				if failed[worker] == nil {
					failed[worker] = do(i)
				}
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(failed...)
}
