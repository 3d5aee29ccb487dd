{{- define "type_members" -}}
{{- if eq .Name "metadata" -}}
Standard [object metadata](https://kubernetes.io/docs/reference/using-api/api-concepts/#standard-api-terminology).
{{- else -}}
{{ markdownRenderFieldDoc .Doc }}
{{- end -}}
{{- end -}}
