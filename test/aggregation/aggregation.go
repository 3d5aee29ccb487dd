// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package aggregation gathers the rules of aggregated ClusterRoles, for suites
// whose control plane lacks the kube-controller-manager that does it.
package aggregation

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Aggregate gives view, edit and admin the rules of the roles that they gather.
func Aggregate(ctx context.Context, c client.Client) error {
	for _, name := range []string{"view", "edit", "admin"} { // each is part of the next
		var role rbacv1.ClusterRole
		if err := c.Get(ctx, client.ObjectKey{Name: name}, &role); err != nil {
			return err
		}
		role.Rules = nil
		for _, labels := range role.AggregationRule.ClusterRoleSelectors {
			selector, err := metav1.LabelSelectorAsSelector(&labels)
			if err != nil {
				return fmt.Errorf("what ClusterRole %s gathers: %w", name, err)
			}
			var parts rbacv1.ClusterRoleList
			if err := c.List(ctx, &parts, client.MatchingLabelsSelector{Selector: selector}); err != nil {
				return err
			}
			for _, part := range parts.Items {
				role.Rules = append(role.Rules, part.Rules...)
			}
		}
		if len(role.Rules) == 0 {
			return fmt.Errorf("the ClusterRole %s gathers nothing", name)
		}
		if err := c.Update(ctx, &role); err != nil {
			return err
		}
	}
	return nil
}
