{{- /*
Copyright 2026 The ExternalBackend Authors.
SPDX-License-Identifier: Apache-2.0
*/ -}}

{{- /* The account that the operator runs as. */ -}}
{{- define "externalbackend.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (printf "%s-controller-manager" .Values.fullnameOverride) -}}
{{- else -}}
{{- required "serviceAccount.name: name the ServiceAccount that the operator shall run as, since serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* What selects the operator's Pods in their namespace. */ -}}
{{- define "externalbackend.selector" -}}
app.kubernetes.io/name: externalbackend-operator
control-plane: controller-manager
{{- end -}}

{{- /* Labels of every object. control-plane is for what serves metrics. */ -}}
{{- define "externalbackend.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "externalbackend-operator"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_")) -}}
{{- toYaml (mergeOverwrite (omit (.Values.commonLabels | default dict) "control-plane") $own) -}}
{{- end -}}

{{- define "externalbackend.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}
