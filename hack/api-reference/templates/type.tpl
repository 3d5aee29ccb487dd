{{- define "bounds" }}
{{- range $i, $rule := . }}
{{- if not (hasPrefix "Optional" $rule) }}{{ if not (hasPrefix "Required" $rule) }}{{ if not (hasPrefix "XIntOrString" $rule) -}}
{{ markdownRenderFieldDoc $rule }}<br />
{{- end }}{{ end }}{{ end }}
{{- end }}
{{- end }}

{{- define "rules" }}
{{- range index . "kubebuilder:validation:XValidation" }}
- {{ .Message }}
{{- end }}
{{- end }}

{{- /* LabelValue is another name for string, which has no section to link to. */}}
{{- define "typeOf" }}{{ markdownRenderType . | replace "[LabelValue](#labelvalue)" "string" }}{{ end }}

{{- define "type" -}}
{{- $type := . }}
{{- if markdownShouldRenderType $type }}

### {{ $type.Name }}
{{ if $type.IsAlias }}
_Underlying type:_ {{ if $type.UnderlyingType.KeyType }}map of strings{{ else }}{{ markdownRenderTypeLink $type.UnderlyingType }}{{ end }}
{{ end }}
{{ $type.Doc }}
{{ if $type.References }}
_Appears in:_ {{ range $i, $ref := $type.SortedReferences }}{{ if $i }}, {{ end }}{{ markdownRenderTypeLink $ref }}{{ end }}
{{ end }}
{{- if $type.Validation }}
_Bounds:_
{{ range $type.Validation }}
- {{ . }}
{{- end }}
{{ end }}
{{- with index $type.Markers "kubebuilder:validation:XValidation" }}
_Rules:_
{{ template "rules" $type.Markers }}
{{ end }}
{{- if $type.Members }}
| Field | Description | Default | Bounds |
| --- | --- | --- | --- |
{{- if $type.GVK }}
| `apiVersion` _string_ | `{{ $type.GVK.Group }}/{{ $type.GVK.Version }}` | | |
| `kind` _string_ | `{{ $type.GVK.Kind }}` | | |
{{- end }}
{{- range $type.Members }}
| `{{ .Name }}` _{{ template "typeOf" .Type }}_{{ if has "Required: {}" .Validation }} **required**{{ end }} | {{ template "type_members" . }} | {{ markdownRenderDefault .Default }} | {{ template "bounds" .Validation }} |
{{- end }}
{{ end }}
{{- if $type.EnumValues }}
| Value | Description |
| --- | --- |
{{- range $type.EnumValues }}
| `{{ .Name }}` | {{ markdownRenderFieldDoc .Doc }} |
{{- end }}
{{ end }}
{{- end }}
{{- end -}}
