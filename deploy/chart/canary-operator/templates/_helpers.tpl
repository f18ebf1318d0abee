{{/* Name of the chart in the names of objects. */}}
{{- define "canary-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of the objects in the release's namespace. 54 characters leave room for suffixes. */}}
{{- define "canary-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- $name := include "canary-operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Name of what belongs to no namespace. Operators for some namespaces may stand side by side in one
cluster, under the same release name in different namespaces, so theirs names the namespace too.
*/}}
{{- define "canary-operator.clusterName" -}}
{{- $name := include "canary-operator.fullname" . }}
{{- if .Values.watchNamespaces }}{{ $name }}-{{ .Release.Namespace }}{{ else }}{{ $name }}{{ end }}
{{- end }}

{{/* What selects the operator's pods; a Deployment cannot change it. */}}
{{- define "canary-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "canary-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Of the pod of `helm test`, which is no pod of the operator. */}}
{{- define "canary-operator.testLabels" -}}
app.kubernetes.io/name: {{ include "canary-operator.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of every object. */}}
{{- define "canary-operator.labels" -}}
{{- $own := fromYaml (include "canary-operator.selectorLabels" .) }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (merge $own .Values.commonLabels) }}
{{- end }}

{{- define "canary-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "canary-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is empty, and serviceAccount.create is false: name the ServiceAccount that the operator shall use" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* A digest says exactly what runs, so it wins over the tag. */}}
{{- define "canary-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* What Pod Security asks of a restricted pod; the image names the same user and group. */}}
{{- define "canary-operator.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.podSecurityContext }}
{{- if .runAsUser }}
runAsUser: {{ int64 .runAsUser }}
{{- end }}
{{- if not (kindIs "invalid" .runAsGroup) }}
runAsGroup: {{ int64 .runAsGroup }}
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "canary-operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* ValidatingAdmissionPolicy is stable since Kubernetes 1.30. */}}
{{- define "canary-operator.hasAdmissionPolicy" -}}
{{- if and .Values.admissionPolicy.enabled (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}
true
{{- end }}
{{- end }}

{{/* Port of prometheus.address, or that of its scheme. */}}
{{- define "canary-operator.prometheusPort" -}}
{{- $url := urlParse .Values.prometheus.address }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $port | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}
