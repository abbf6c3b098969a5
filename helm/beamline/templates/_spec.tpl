{{- /*
A map as JSON without what says nothing: null, and maps and lists with nothing in them. What is in a list stays as it is.
*/ -}}
{{- define "beamline.said" -}}
{{- $said := dict }}
{{- range $key, $value := . }}
{{- if kindIs "map" $value }}
{{- $value = include "beamline.said" $value | fromJson }}
{{- end }}
{{- $empty := or (kindIs "invalid" $value) (and (or (kindIs "map" $value) (kindIs "slice" $value)) (empty $value)) }}
{{- if not $empty }}
{{- $_ := set $said $key $value }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end -}}

{{- /*
Variables by name as the list that a container takes. Text stays as it is; lists, numbers and truth values become JSON, which
is how the settings read them.
*/ -}}
{{- define "beamline.environment" -}}
{{- $list := list }}
{{- range $name, $value := . }}
{{- if kindIs "map" $value }}
{{- $list = append $list (dict "name" $name "valueFrom" $value.valueFrom) }}
{{- else if not (kindIs "invalid" $value) }}
{{- $list = append $list (dict "name" $name "value" (kindIs "string" $value | ternary $value (toJson $value))) }}
{{- end }}
{{- end }}
{{- toJson $list }}
{{- end -}}

{{- /* The spec of the Beamline. */ -}}
{{- define "beamline.spec" -}}
{{- $spec := pick .Values "image" "epics" "registry" "control" "queue" "simIoc" "networkPolicy" "podDisruptionBudget" | deepCopy }}
{{- with .Values.access.existingSecret }}
{{- $key := dict "valueFrom" (dict "secretKeyRef" (dict "name" . "key" $.Values.access.secretKey)) }}
{{- $names := dict "registry" (list "CONFIG_API_KEY") "queue" (list "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY") }}
{{- /* Direct control shows its key to the queue server, too. */ -}}
{{- $_ := set $names "control" (list "DIRECT_CONTROL_API_KEY" "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY") }}
{{- range $part, $variables := $names }}
{{- range $variables }}
{{- if not (get (get $spec $part).env .) }}
{{- $_ := set (get $spec $part).env . $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.access.tokenAudience }}
{{- $names := dict "registry" "CONFIG_TOKEN_AUDIENCE" "control" "DIRECT_CONTROL_TOKEN_AUDIENCE" "queue" "QSERVER_HTTP_SERVER_TOKEN_AUDIENCE" }}
{{- range $part, $variable := $names }}
{{- if not (get (get $spec $part).env $variable) }}
{{- $_ := set (get $spec $part).env $variable $.Values.access.tokenAudience }}
{{- end }}
{{- end }}
{{- end }}
{{- range $part := list $spec.registry $spec.control $spec.queue $spec.queue.worker $spec.queue.publisher $spec.simIoc }}
{{- $_ := set $part "env" (include "beamline.environment" $part.env | fromJsonArray) }}
{{- end }}
{{- if include "beamline.stopped" . }}
{{- range $part := list $spec.registry $spec.control $spec.queue $spec.simIoc }}
{{- $_ := set $part "enabled" false }}
{{- end }}
{{- end }}
{{- include "beamline.said" $spec | fromJson | toYaml }}
{{- end -}}
