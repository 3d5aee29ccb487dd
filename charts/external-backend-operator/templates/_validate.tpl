{{- /*
Copyright 2026 The ExternalBackend Authors.
SPDX-License-Identifier: Apache-2.0
*/ -}}

{{- /* What the schema cannot say: values that do not go together. */ -}}
{{- define "externalbackend.validate" -}}
{{- $own := printf "%s-controller-manager" .Values.fullnameOverride -}}
{{- range (lookup "apps/v1" "Deployment" .Release.Namespace "").items -}}
{{- $operator := eq (dig "labels" "app.kubernetes.io/name" "" .metadata) "externalbackend-operator" -}}
{{- $former := eq (dig "annotations" "meta.helm.sh/release-name" "" .metadata) $.Release.Name -}}
{{- if and $operator (ne .metadata.name $own) (not $former) -}}
{{- fail (printf "the namespace %s has an operator already (Deployment %s), and two in one would share a Lease: install each release in a namespace of its own" $.Release.Namespace .metadata.name) -}}
{{- end -}}
{{- end -}}
{{- with .Values -}}
{{- if .namespaces -}}
{{- if not .denyCIDRs -}}
{{- fail "denyCIDRs: list the networks of the cluster's Services, Pods and Nodes: with namespaces set, the operator cannot read them" -}}
{{- end -}}
{{- if .allowClusterCIDRs -}}
{{- fail "allowClusterCIDRs does not go with namespaces: nothing but denyCIDRs tells the networks of the cluster then, so leave these out there" -}}
{{- end -}}
{{- if eq .policyMode "require" -}}
{{- fail "policyMode: require does not go with namespaces: ExternalBackendPolicies cannot be read then" -}}
{{- end -}}
{{- if .awsIdentity.create -}}
{{- fail "awsIdentity.create does not go with namespaces: AWSIdentities cannot be read then" -}}
{{- end -}}
{{- end -}}
{{- if and .awsIdentity.create (not .awsIdentity.regions) -}}
{{- fail "awsIdentity.regions: list the AWS regions that may be asked for instances, such as eu-west-1" -}}
{{- end -}}
{{- if not .metrics.enabled -}}
{{- if .metrics.serviceMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled does not go with metrics.enabled: false: there is nothing to scrape" -}}
{{- end -}}
{{- if .metrics.prometheusRule.enabled -}}
{{- fail "metrics.prometheusRule.enabled does not go with metrics.enabled: false: the alert that no operator is active would fire for ever" -}}
{{- end -}}
{{- if .metrics.certSecret -}}
{{- fail "metrics.certSecret does not go with metrics.enabled: false: there is no endpoint that it could be for" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
