{{/* What values.schema.json cannot say, or not in words that help. */}}
{{- define "canary-operator.checks" -}}
{{- include "canary-operator.checkPrometheus" . }}
{{- include "canary-operator.checkImage" . }}
{{- include "canary-operator.checkMetrics" . }}
{{- include "canary-operator.checkHosts" . }}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicas) 1) }}
{{- fail (printf "replicas is %d and leaderElection.enabled is false: two operators at once would write over each other. Set replicas to 1 or leaderElection.enabled to true." (int .Values.replicas)) }}
{{- end }}
{{- if and (has "Deny" .Values.admissionPolicy.validationActions) (has "Warn" .Values.admissionPolicy.validationActions) }}
{{- fail "admissionPolicy.validationActions has Deny and Warn: what is refused needs no warning, and the API server takes only one of them." }}
{{- end }}
{{- $known := list }}
{{- range fromYamlArray (include "canary-operator.env" .) }}{{ $known = append $known .name }}{{ end }}
{{- range .Values.extraEnv }}
{{- if has .name $known }}
{{- fail (printf "extraEnv sets %s, which the chart sets already: use the value that stands for it, see the chart's README.md." .name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canary-operator.checkPrometheus" -}}
{{- with .Values.prometheus }}
{{- if not .address }}
{{- fail "prometheus.address is empty: without Prometheus no rollout gets beyond its first step. Set it to where yours answers, such as http://prometheus.istio-system.svc:9090." }}
{{- end }}
{{- if not (regexMatch "^https?://[^/[:space:]]+(/[^[:space:]]*)?$" .address) }}
{{- fail (printf "prometheus.address is %q: write a URL with http:// or https://, such as http://prometheus.istio-system.svc:9090." .address) }}
{{- end }}
{{- if and .caSecret.name .caConfigMap.name }}
{{- fail "prometheus.caSecret.name and prometheus.caConfigMap.name are both set: the certificates come from one of them, so empty the other." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canary-operator.checkImage" -}}
{{- with .Values.image }}
{{- if or (contains "@" .repository) (contains ":" (base .repository)) }}
{{- fail (printf "image.repository is %q: write the tag into image.tag, or the digest into image.digest." .repository) }}
{{- end }}
{{- if and .digest (not (regexMatch "^sha256:[0-9a-f]{64}$" .digest)) }}
{{- fail (printf "image.digest is %q: write sha256: and 64 hexadecimal digits, as your registry shows them." .digest) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "canary-operator.checkMetrics" -}}
{{- with .Values.metrics }}
{{- if and .serviceMonitor.enabled .podMonitor.enabled }}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true: every metric would be read twice. Choose one." }}
{{- end }}
{{- if and .serviceMonitor.enabled (not .service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled is true and metrics.service.enabled is false: a ServiceMonitor finds pods by a Service. Enable it, or use metrics.podMonitor." }}
{{- end }}
{{- end }}
{{- end }}

{{/* Coarser than the operator's own check, which also knows what makes an international name. */}}
{{- define "canary-operator.checkHosts" -}}
{{- range .Values.allowedHosts }}
{{- if not (regexMatch "^([a-z0-9-]+/)?([*][.])*[^*?/,\\[\\][:space:]]+$" .) }}
{{- fail (printf "allowedHosts has %q: write a host such as shop.example.com, or *.example.com for all hosts below a domain, optionally as namespace/host. * stands for whole labels at the beginning only, and not alone." .) }}
{{- end }}
{{- end }}
{{- end }}
