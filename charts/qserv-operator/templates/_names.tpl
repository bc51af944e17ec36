{{- define "qserv-operator.labels" -}}
{{ include "qserv-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "qserv-operator.selector" -}}
app.kubernetes.io/name: qserv-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "qserv-operator.name" -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end }}
