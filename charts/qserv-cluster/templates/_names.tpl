{{- define "qserv-cluster.name" -}}
{{ .Values.name | default .Release.Name }}
{{- end }}

{{- define "qserv-cluster.labels" -}}
app.kubernetes.io/name: qserv-cluster
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
