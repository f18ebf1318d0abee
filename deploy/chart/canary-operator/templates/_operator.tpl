{{/*
Settings of the operator. As variables and not as flags, so that a Kustomize patch can change one
of them by its name; only headers are flags (see args), since a variable is split at spaces.
*/}}
{{- define "canary-operator.env" -}}
{{- with .Values.watchNamespaces }}
- name: CANARY_OPERATOR_NAMESPACE
  value: {{ join " " . | quote }}
{{- end }}
- name: CANARY_OPERATOR_PROMETHEUS_ADDRESS
  value: {{ .Values.prometheus.address | quote }}
- name: CANARY_OPERATOR_PROMETHEUS_TIMEOUT
  value: {{ .Values.prometheus.timeout | quote }}
- name: CANARY_OPERATOR_PROMETHEUS_SCRAPE_INTERVAL
  value: {{ .Values.prometheus.scrapeInterval | quote }}
{{- if or .Values.prometheus.caSecret.name .Values.prometheus.caConfigMap.name }}
- name: CANARY_OPERATOR_PROMETHEUS_CA_FILE
  value: /etc/canary-operator/prometheus-ca/ca.crt
{{- end }}
{{- if .Values.prometheus.bearerTokenSecret.name }}
- name: CANARY_OPERATOR_PROMETHEUS_BEARER_TOKEN_FILE
  value: /etc/canary-operator/prometheus-token/token
{{- end }}
{{- with .Values.allowedHosts }}
- name: CANARY_OPERATOR_ALLOWED_HOST
  value: {{ join " " . | quote }}
{{- end }}
- name: CANARY_OPERATOR_CUSTOM_QUERIES
  value: {{ include "canary-operator.customQueries" . | quote }}
- name: CANARY_OPERATOR_CLUSTER_DOMAIN
  value: {{ .Values.clusterDomain | quote }}
- name: CANARY_OPERATOR_METRICS_ADDRESS
  value: {{ printf ":%d" (int .Values.metrics.port) | quote }}
- name: CANARY_OPERATOR_MAX_CONCURRENT_TICKS
  value: {{ int .Values.maxConcurrentTicks | quote }}
- name: CANARY_OPERATOR_LOG_LEVEL
  value: {{ .Values.log.level | quote }}
- name: CANARY_OPERATOR_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: CANARY_OPERATOR_LEADER_ELECTION
  value: {{ .Values.leaderElection.enabled | quote }}
{{- if .Values.leaderElection.enabled }}
- name: CANARY_OPERATOR_LEADER_ELECTION_LEASE
  value: {{ include "canary-operator.fullname" . | quote }}
- name: CANARY_OPERATOR_LEADER_ELECTION_NAMESPACE
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.namespace
{{- end }}
{{- end }}

{{- define "canary-operator.customQueries" -}}
{{- if kindIs "string" .Values.customQueries }}{{ .Values.customQueries }}{{ else }}{{ join "," .Values.customQueries | default "none" }}{{ end }}
{{- end }}

{{- define "canary-operator.args" -}}
- run
{{- range $name, $value := .Values.prometheus.headers }}
- {{ printf "--prometheus-header=%s=%s" $name $value | quote }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Each mounted as a folder and not as a file, so that a changed content arrives. */}}
{{- define "canary-operator.volumes" -}}
{{- with .Values.prometheus }}
{{- if .caSecret.name }}
- name: prometheus-ca
  secret:
    secretName: {{ .caSecret.name }}
    items:
    - key: {{ .caSecret.key }}
      path: ca.crt
{{- else if .caConfigMap.name }}
- name: prometheus-ca
  configMap:
    name: {{ .caConfigMap.name }}
    items:
    - key: {{ .caConfigMap.key }}
      path: ca.crt
{{- end }}
{{- if .bearerTokenSecret.name }}
- name: prometheus-token
  secret:
    secretName: {{ .bearerTokenSecret.name }}
    items:
    - key: {{ .bearerTokenSecret.key }}
      path: token
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "canary-operator.volumeMounts" -}}
{{- with .Values.prometheus }}
{{- if or .caSecret.name .caConfigMap.name }}
- name: prometheus-ca
  mountPath: /etc/canary-operator/prometheus-ca
  readOnly: true
{{- end }}
{{- if .bearerTokenSecret.name }}
- name: prometheus-token
  mountPath: /etc/canary-operator/prometheus-token
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Over nodes and zones as far as possible: a pod on a full node is better than none. */}}
{{- define "canary-operator.topologySpreadConstraints" -}}
{{- $selector := dict "matchLabels" (fromYaml (include "canary-operator.selectorLabels" .)) }}
{{- $spread := list }}
{{- range .Values.topologySpreadConstraints }}
{{- $spread = append $spread (merge (dict) . (dict "labelSelector" $selector)) }}
{{- end }}
{{- if not $spread }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" $selector) }}
{{- end }}
{{- end }}
{{- toYaml $spread }}
{{- end }}
