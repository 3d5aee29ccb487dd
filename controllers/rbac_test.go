// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
)

// permission is one verb on one resource.
type permission struct{ Group, Resource, Verb string }

// unused are permissions that the operator has and that nothing in the suite
// makes it use, with the reason why it needs them.
var unused = map[permission]string{
	{"", "services", "list"}:                            listing,
	{"discovery.k8s.io", "endpointslices", "list"}:      listing,
	{"externalbackend.dev", "externalbackends", "list"}: listing,
}

const listing = "where a watch alone cannot fill a cache, as with older API servers, it begins with a list"

func permissions(rules []rbacv1.PolicyRule) []permission {
	var list []permission
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					list = append(list, permission{group, resource, verb})
				}
			}
		}
	}
	return list
}

// permissionsUsed names the report entry with the permissions that the operators
// of one process have used: of a suite that runs in several, none sees all.
const permissionsUsed = "permissions used"

// reportPermissions makes that entry from the whole audit log.
func reportPermissions() {
	used := map[permission]bool{}
	for _, request := range audit.since(0) {
		used[permission{request.Group, request.Resource, request.Verb}] = true
		if request.Verb == "get" && request.Resource == "secrets" {
			continue // as long as nobody has let it, which is told in a condition
		}
		Expect(request.Unauthorized || request.Code == http.StatusUnauthorized).To(BeFalse(), "the operator may not: %s %s/%s", request, request.Namespace, request.Name)
	}
	AddReportEntry(permissionsUsed, slices.Collect(maps.Keys(used)), ReportEntryVisibilityNever)
}

// After all specs: the shipped roles are exactly what the operator needs.
var _ = ReportAfterSuite("RBAC", func(r Report) {
	if audit == nil || !r.SuiteSucceeded || r.PreRunStats.SpecsThatWillRun < r.PreRunStats.TotalSpecs {
		return // what was left out, or came to an early end, may use the rest
	}
	used := map[permission]bool{}
	for _, node := range r.SpecReports {
		for _, entry := range node.ReportEntries {
			if entry.Name != permissionsUsed {
				continue
			}
			var list []permission
			encoded, err := json.Marshal(entry.GetRawValue()) // that of another process has lost its type
			Expect(err).NotTo(HaveOccurred())
			Expect(json.Unmarshal(encoded, &list)).To(Succeed())
			for _, p := range list {
				used[p] = true
			}
		}
	}
	for _, role := range []string{managerRole, leaderElectionRole, credentialsRole, accessKeyRole} {
		for _, p := range permissions(shipped.roles[role]) {
			Expect(used[p] || unused[p] != "").To(BeTrue(), "%s grants what nothing needs: %+v", role, p)
		}
	}
})
