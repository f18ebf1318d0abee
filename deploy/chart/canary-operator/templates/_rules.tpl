{{/* Exactly what the operator uses in a namespace of rollouts; no secrets, no wildcards. */}}
{{- define "canary-operator.rules" -}}
- apiGroups: [canary-operator.dev]
  resources: [canaryrollouts]
  verbs: [list, watch, patch]        # patch: to remove an answered request annotation
- apiGroups: [canary-operator.dev]
  resources: [canaryrollouts/status]
  verbs: [patch]
- apiGroups: [canary-operator.dev]
  resources: [canaryrollouts/finalizers]
  verbs: [update]                    # needed for ownerReferences that block deletion
- apiGroups: [apps]
  resources: [deployments]
  # delete: some clusters ask for it where ownerReferences change; no Deployment is deleted
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]               # to say why a pod does not become available
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
