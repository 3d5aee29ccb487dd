{{- /*
Copyright 2026 The ExternalBackend Authors.
SPDX-License-Identifier: Apache-2.0
*/ -}}

{{- /*
An object of files/ as an object of the release, with its labels: .object, the
context of the chart .root, and .namespace, if it is in the release's.
*/ -}}
{{- define "externalbackend.object" -}}
{{- $meta := .object.metadata -}}
{{- $_ := set $meta "labels" (mergeOverwrite (deepCopy ($meta.labels | default dict)) (include "externalbackend.labels" .root | fromYaml)) -}}
{{- if ne .object.kind "CustomResourceDefinition" -}}
{{- $_ := set $meta "name" (printf "%s-%s" .root.Values.fullnameOverride $meta.name) -}}
{{- end -}}
{{- if $meta.namespace -}}
{{- $_ := set $meta "namespace" .root.Release.Namespace -}}
{{- end -}}
---
{{ toYaml .object }}
{{ end -}}

{{- /* The documents of a file of files/, under the key documents: .root, .file. */ -}}
{{- define "externalbackend.documents" -}}
{{- $text := required (printf "the chart lacks %s" .file) (.root.Files.Get .file) -}}
{{- $list := list -}}
{{- range regexSplit "(?m)^---$" $text -1 -}}
{{- with fromYaml . -}}
{{- $list = append $list . -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "documents" $list) -}}
{{- end -}}
