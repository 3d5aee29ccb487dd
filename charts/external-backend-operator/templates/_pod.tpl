{{- /*
Copyright 2026 The ExternalBackend Authors.
SPDX-License-Identifier: Apache-2.0
*/ -}}

{{- /* The flags of the operator, which its check takes as well. */ -}}
{{- define "externalbackend.flags" -}}
- --leader-elect
- --metrics-bind-address={{ ternary ":8443" "0" .Values.metrics.enabled }}
- --health-probe-bind-address=:8081
{{- with .Values.namespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- if ne .Values.policyMode "baseline" }}
- --policy-mode={{ .Values.policyMode }}
{{- end }}
{{- with .Values.denyCIDRs }}
- --deny-cidrs={{ join "," . }}
{{- end }}
{{- with .Values.allowClusterCIDRs }}
- --allow-cluster-cidrs={{ join "," . }}
{{- end }}
{{- if ne .Values.clusterDomain "cluster.local" }}
- --cluster-domain={{ .Values.clusterDomain }}
{{- end }}
{{- with .Values.dnsServers }}
- {{ printf "--dns-servers=%s" (join "," .) | quote }}
{{- end }}
{{- if .Values.metrics.certSecret }}
- --metrics-cert-dir=/etc/metrics-cert
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "externalbackend.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "externalbackend.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Where Pods of the release may run. */ -}}
{{- define "externalbackend.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}
