{{- /* Name of the Beamline; its services are called after it. */ -}}
{{- define "beamline.name" -}}
{{- .Values.nameOverride | default .Release.Name }}
{{- end -}}

{{- /* Labels of everything here. A parent chart may say where the beamline belongs. */ -}}
{{- define "beamline.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ include "beamline.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- range $key := list "domain" "location" }}
{{- with (get ($.Values.global | default dict) $key) }}
{{ $key }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What distinguishes the pods of one part, and their Service. */ -}}
{{- define "beamline.selector" -}}
app.kubernetes.io/name: beamline
app.kubernetes.io/instance: {{ include "beamline.name" . }}
{{- end -}}

{{- /* Whether a parent chart has switched everything off. */ -}}
{{- define "beamline.stopped" -}}
{{- if hasKey (.Values.global | default dict) "enabled" }}
{{- .Values.global.enabled | ternary "" "yes" }}
{{- end }}
{{- end -}}
