// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestInstallationLeavesOutWhatRunsAsAPod(t *testing.T) {
	const kustomized = `apiVersion: v1
kind: Namespace
metadata: {name: system}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: manager, namespace: system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: manager-role}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: fence}
---
apiVersion: v1
kind: Service
metadata: {name: metrics, namespace: system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: manager, namespace: system}
`
	got, err := installationFrom(kustomized)
	if err != nil {
		t.Fatal(err)
	}
	if got.Namespace != "system" || got.ServiceAccount != "manager" || !slices.Equal(got.crds, []string{"things.example.com"}) {
		t.Errorf("installation = %+v", got)
	}
	for kind, want := range map[string]bool{
		"Namespace": true, "CustomResourceDefinition": true, "ServiceAccount": true, "ClusterRole": true, "ValidatingAdmissionPolicy": true,
		"Service": false, "Deployment": false,
	} {
		if strings.Contains(got.manifest, "kind: "+kind+"\n") != want {
			t.Errorf("manifest has %s: %t, want %t", kind, !want, want)
		}
	}
	if _, err := installationFrom("kind: Namespace\n"); err == nil {
		t.Error("an installation without CRD and service account is accepted")
	}
}

func TestMissingNamesEverything(t *testing.T) {
	empty := t.TempDir()
	got := strings.Join(Missing(empty, empty, "demo", DNSBinary), "\n")
	for _, want := range append([]string{OperatorBinary, DNSBinary}, Binaries...) {
		if !strings.Contains(got, filepath.Join(empty, want)+" is not there") {
			t.Errorf("%s is not in:\n%s", want, got)
		}
	}
	for _, want := range []string{"make demo", "kustomization.yaml"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}
