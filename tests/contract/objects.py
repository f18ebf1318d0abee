"""Manifests that several contract tests use."""

from typing import Any

CONFIG_MAPS = "/api/v1/namespaces/$NS/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/$NS/deployments"
SERVICES = "/api/v1/namespaces/$NS/services"
PODS = "/api/v1/namespaces/$NS/pods"
CORE_EVENTS = "/api/v1/namespaces/$NS/events"
EVENTS = "/apis/events.k8s.io/v1/namespaces/$NS/events"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/$GROUP/v1/namespaces/$NS/things"

Manifest = dict[str, Any]


def config_map(name: str = "c", data: Manifest | None = None, **meta: Any) -> Manifest:
    body: Manifest = {"apiVersion": "v1", "kind": "ConfigMap"}
    body["metadata"] = {"name": name, **meta}
    return {**body, "data": data} if data is not None else body


def container(**fields: Any) -> Manifest:
    return {"name": "c", "image": "i:v1", **fields}


def deployment(*containers: Manifest, name: str = "x", **spec: Any) -> Manifest:
    """A paused Deployment, so that a controller has nothing to do with it."""
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": list(containers or (container(),))},
    }
    base = {"paused": True, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    meta = {"name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {**base, **spec},
    }


def service(name: str = "s", **spec: Any) -> Manifest:
    body: Manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    return {**body, "spec": {"ports": [{"port": 80}], **spec}}


def event(**fields: Any) -> Manifest:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "eventTime": "2024-01-01T00:00:00.000000Z",
        "reportingController": "example.com/c",
        "reportingInstance": "i",
        "action": "Act",
        "reason": "Because",
        "note": "hello",
        "type": "Normal",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "$NS", "apiVersion": "v1"},
        **fields,
    }


def thing(called: str = "t", **spec: Any) -> Manifest:
    body: Manifest = {"apiVersion": "$GROUP/v1", "kind": "Thing"}
    return {**body, "metadata": {"name": called}, "spec": {"name": "abc", **spec}}


STEP = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "weight": {"type": "integer", "default": 5},
    },
    "x-kubernetes-validations": [{"rule": "self.weight != 13", "message": "unlucky"}],
}
SPEC = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 1, "maxLength": 5},
        "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "hold": {"type": "string", "format": "duration"},
        "when": {"type": "string", "format": "date-time"},
        "port": {"x-kubernetes-int-or-string": True},
        "flag": {"type": "boolean"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "maxProperties": 2,
        },
        "maybe": {"type": "string", "nullable": True},
        "steps": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": STEP,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "tags": {
            "type": "array",
            "maxItems": 9,
            "items": {"type": "string", "maxLength": 9},
            "x-kubernetes-list-type": "set",
        },
        "fixed": {
            "type": "string",
            "maxLength": 9,
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "fixed is immutable"}
            ],
        },
    },
    "x-kubernetes-validations": [
        {
            "rule": "self.replicas <= 8",
            "messageExpression": "'too many' + (self.replicas > 9 ? '!' : '')",
            "fieldPath": ".replicas",
        },
        {
            "rule": "!has(self.steps) || self.steps.all(s, "
            "self.steps.exists_one(t, t.weight == s.weight))",
            "message": "weights differ",
        },
        {"rule": "!has(self.hold) || self.hold >= duration('5s')", "message": "hold 5s or more"},
        {"rule": "!has(self.flag) || self.mode == 'a'", "message": "a flag needs mode a"},
    ],
}
STATUS = {
    "type": "object",
    "default": {"observedGeneration": -1},
    "properties": {
        "observedGeneration": {"type": "integer", "default": -1},
        "replicas": {"type": "integer"},
        "selector": {"type": "string"},
        "phase": {"type": "string", "enum": ["x", "y"]},
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    },
}
SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
READY = '.status.conditions[?(@.type=="Ready")].status'
DEFINITION: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.$GROUP"},
    "spec": {
        "group": "$GROUP",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing", "shortNames": ["th"], "categories": ["all"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}, "scale": SCALE},
                "additionalPrinterColumns": [
                    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
                    {"name": "Ready", "type": "string", "jsonPath": READY},
                    {"name": "Mode", "type": "string", "jsonPath": ".spec.mode", "priority": 1},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {"spec": SPEC, "status": STATUS},
                        "x-kubernetes-validations": [
                            {"rule": "self.metadata.name.size() <= 10", "message": "name too long"}
                        ],
                    }
                },
            }
        ],
    },
}
