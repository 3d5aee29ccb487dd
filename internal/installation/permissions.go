// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"externalbackend.dev/operator/config"
)

// grant is a role of config/ and where it must be granted.
type grant struct {
	file      string
	namespace string // empty for the whole cluster
	binding   string
}

// grants returns what the operator must have been granted.
func (o Options) grants() []grant {
	var list []grant
	if len(o.Namespaces) == 0 {
		list = append(list, grant{"rbac/role.yaml", "", "the ClusterRoleBinding of manager-role"})
	}
	for _, namespace := range o.Namespaces {
		list = append(list, grant{"namespaced/manager_role.yaml", namespace, "a RoleBinding of namespaced-manager-role in namespace " + namespace})
	}
	if len(o.Namespaces) > 0 && o.Metrics {
		list = append(list, grant{"namespaced/metrics_auth_role.yaml", "", "the ClusterRoleBinding of metrics-auth-role"})
	}
	if o.Lease != "" {
		list = append(list, grant{"rbac/leader_election_role.yaml", o.Namespace, "the RoleBinding of leader-election-role in namespace " + o.Namespace})
	}
	return list
}

// permissions finds out whether the account may do what the roles say.
func (o Options) permissions(ctx context.Context, account string) (findings []Finding) {
	for _, g := range o.grants() {
		where := "in the cluster"
		if g.namespace != "" {
			where = "in namespace " + g.namespace
		}
		rules, err := rulesOf(g.file)
		if err != nil {
			return append(findings, Finding{What: err.Error(), Remedy: "report it: this binary is broken"})
		}
		denied, asked, err := o.denied(ctx, g.namespace, rules)
		switch {
		case err != nil:
			return append(findings, Finding{What: fmt.Sprintf("the API server does not say what this account may do %s (%v)", where, err), Remedy: "try again"})
		case len(denied) > 0:
			findings = append(findings, Finding{
				What:   fmt.Sprintf("this account may not, %s: %s", where, some(denied)),
				Remedy: fmt.Sprintf("apply the installation again, and see that %s names %s", g.binding, account),
			})
		default:
			findings = append(findings, ok("this account may do all %d things that it needs %s", asked, where))
		}
	}
	return findings
}

// rulesOf returns the rules of the first role in a file of config/.
func rulesOf(file string) ([]rbacv1.PolicyRule, error) {
	text, err := config.Manifests.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the permissions that are needed: %w", err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var role rbacv1.ClusterRole // a Role has its rules in the same place
		switch err := decoder.Decode(&role); {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%s holds no role", file)
		case err != nil:
			return nil, fmt.Errorf("reading %s: %w", file, err)
		case len(role.Rules) > 0:
			return role.Rules, nil
		}
	}
}

// denied returns what the account may not do, of how much.
func (o Options) denied(ctx context.Context, namespace string, rules []rbacv1.PolicyRule) (denied []string, asked int, _ error) {
	for _, attributes := range attributesOf(namespace, rules) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes}}
		if err := o.Client.Create(ctx, review); err != nil {
			return nil, 0, err
		}
		asked++
		if !review.Status.Allowed {
			denied = append(denied, words(attributes))
		}
	}
	return denied, asked, nil
}

// attributesOf returns a question for each verb on each resource.
func attributesOf(namespace string, rules []rbacv1.PolicyRule) (list []authorizationv1.ResourceAttributes) {
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, path := range rule.Resources {
				resource, subresource, _ := strings.Cut(path, "/")
				for _, name := range names {
					for _, verb := range rule.Verbs {
						list = append(list, authorizationv1.ResourceAttributes{
							Namespace: namespace, Group: group, Resource: resource, Subresource: subresource, Name: name, Verb: verb,
						})
					}
				}
			}
		}
	}
	return list
}

// words say what is asked for, as in: patch externalbackends/status.externalbackend.dev.
func words(a authorizationv1.ResourceAttributes) string {
	text := a.Verb + " " + a.Resource
	if a.Subresource != "" {
		text += "/" + a.Subresource
	}
	if a.Group != "" {
		text += "." + a.Group
	}
	if a.Name != "" {
		text += " " + a.Name
	}
	return text
}
