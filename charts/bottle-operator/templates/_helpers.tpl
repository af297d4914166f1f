{{- define "bottle-operator.account" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ .Release.Name }}
{{- end }}

{{- /* Names of what belongs to no namespace; two releases never share one. Takes a list: the root, a part or "". */}}
{{- define "bottle-operator.wide" -}}
{{- $root := index . 0 }}{{- $part := index . 1 -}}
{{ $root.Release.Name }}{{ if $part }}-{{ $part }}{{ end }}.{{ $root.Release.Namespace }}
{{- end }}

{{- define "bottle-operator.selector" -}}
app.kubernetes.io/name: bottle-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bottle-operator.labels" -}}
{{- $ours := include "bottle-operator.selector" . | fromYaml }}
{{- $ours = merge $ours (dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/component" "operator"
  "app.kubernetes.io/part-of" "bot-bottle"
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version)) }}
{{- merge $ours .Values.commonLabels | toYaml }}
{{- end }}

{{- define "bottle-operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- /* Where admission policies hold: two installs must not judge each other's namespaces. */}}
{{- define "bottle-operator.where" -}}
{{- with .Values.namespaces }}
matchResources:
  namespaceSelector:
    matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
{{- end }}
{{- end }}

{{- /* "policy" or "webhook". */}}
{{- define "bottle-operator.decisions" -}}
{{- if ne .Values.admission.decisions "auto" -}}
{{ .Values.admission.decisions }}
{{- else if or (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy") (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy") -}}
policy
{{- else -}}
webhook
{{- end }}
{{- end }}

{{- define "bottle-operator.mutatingVersion" -}}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
admissionregistration.k8s.io/v1
{{- else -}}
admissionregistration.k8s.io/v1beta1
{{- end }}
{{- end }}
