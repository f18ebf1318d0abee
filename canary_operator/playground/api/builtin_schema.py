"""Schemas of the built-in kinds, made from the generated models of the Kubernetes client.

The client package knows every field of every built-in kind with its type, so unknown fields and
wrong types can be told apart here exactly as on the real server. What the models do not say (which
lists merge by which key, what is owned as a whole, where a number or a string may stand) are a few
facts of the Kubernetes API reference, kept below as tables.
"""

import importlib
import re
from functools import cache
from typing import Any

from canary_operator.playground.api.objects import Schema

ANY: Schema = {
    "x-kubernetes-preserve-unknown-fields": True,
    "x-kubernetes-map-type": "atomic",
}

MAP_LISTS: dict[str, tuple[str, ...]] = {
    "V1PodSpec.containers": ("name",),
    "V1PodSpec.initContainers": ("name",),
    "V1PodSpec.ephemeralContainers": ("name",),
    "V1PodSpec.volumes": ("name",),
    "V1PodSpec.imagePullSecrets": ("name",),
    "V1PodSpec.hostAliases": ("ip",),
    "V1PodSpec.schedulingGates": ("name",),
    "V1PodSpec.resourceClaims": ("name",),
    "V1PodSpec.topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "V1Container.ports": ("containerPort", "protocol"),
    "V1Container.env": ("name",),
    "V1Container.volumeMounts": ("mountPath",),
    "V1Container.volumeDevices": ("devicePath",),
    "V1ResourceRequirements.claims": ("name",),
    "V1PodStatus.conditions": ("type",),
    "V1PodStatus.podIPs": ("ip",),
    "V1ServiceSpec.ports": ("port", "protocol"),
    "V1ServiceStatus.conditions": ("type",),
    "V1ServiceAccount.secrets": ("name",),
    "V1NodeStatus.conditions": ("type",),
    "V1NodeStatus.addresses": ("type",),
    "V1NamespaceStatus.conditions": ("type",),
    "V1DeploymentStatus.conditions": ("type",),
    "V1ReplicaSetStatus.conditions": ("type",),
    "V1ObjectMeta.ownerReferences": ("uid",),
    "V1CustomResourceDefinitionStatus.conditions": ("type",),
    "V2HorizontalPodAutoscalerStatus.conditions": ("type",),
    "V1PodDisruptionBudgetStatus.conditions": ("type",),
}
KEY_DEFAULTS = {"V1ContainerPort.protocol": "TCP", "V1ServicePort.protocol": "TCP"}
SET_LISTS = {"V1ObjectMeta.finalizers"}
RETAIN_KEYS = {"V1DeploymentSpec.strategy"}
ATOMIC_TYPES = {
    "V1LabelSelector",
    "V1LocalObjectReference",
    "V1ObjectReference",
    "V1ConfigMapKeySelector",
    "V1SecretKeySelector",
    "V1ObjectFieldSelector",
    "V1ResourceFieldSelector",
    "V1NodeSelector",
    "V1NodeSelectorTerm",
    "V1RoleRef",
    "V1TypedLocalObjectReference",
    "RbacV1Subject",
}
ATOMIC_FIELDS = {"V1PodSpec.nodeSelector", "V1ServiceSpec.selector"}
INT_OR_STRING = re.compile(
    r"V1(RollingUpdateDeployment|HTTPGetAction|TCPSocketAction|ServicePort|PodDisruptionBudgetSpec"
    r"|NetworkPolicyPort)\.(maxSurge|maxUnavailable|minAvailable|port|targetPort)"
)
QUANTITIES = re.compile(
    r"(V1ResourceRequirements|V1VolumeResourceRequirements)\.(limits|requests)"
    r"|V1NodeStatus\.(capacity|allocatable)|V1PodSpec\.overhead|V1EmptyDirVolumeSource\.sizeLimit"
    r"|V2MetricTarget\.(averageValue|value)|V1ResourceFieldSelector\.divisor"
)
INT64 = re.compile(
    r"(generation|observedGeneration|revision|terminationGracePeriodSeconds|expirationSeconds"
    r"|runAsUser|runAsGroup|fsGroup|activeDeadlineSeconds|deletionGracePeriodSeconds)$"
)
MODELS = "kubernetes.client.models"
SCALARS: dict[str, Schema] = {
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "datetime": {"type": "string", "format": "date-time"},
    "object": ANY,
    "bytes": {"type": "string", "format": "byte"},
}


@cache
def model_schema(name: str) -> Schema:
    """Return the schema of the generated model `name`, such as `V1Deployment`."""
    if name == "V1JSONSchemaProps":  # it contains itself, and `crds.py` judges it
        return {"type": "object", **ANY}
    model = getattr(importlib.import_module(MODELS), name)
    properties = {
        json_name: _field_schema(name, json_name, model.openapi_types[attribute])
        for attribute, json_name in model.attribute_map.items()
    }
    atomic = {"x-kubernetes-map-type": "atomic"} if name in ATOMIC_TYPES else {}
    return {"type": "object", "x-struct": name, "properties": properties, **atomic}


def _field_schema(model: str, name: str, declared: str) -> Schema:
    where = f"{model}.{name}"
    if INT_OR_STRING.fullmatch(where):
        return {"x-kubernetes-int-or-string": True}
    schema: dict[str, Any] = dict(_type_schema(declared, name))
    if QUANTITIES.fullmatch(where):
        schema = _as_quantity(schema)
    if where in ATOMIC_FIELDS:
        schema["x-kubernetes-map-type"] = "atomic"
    if where in RETAIN_KEYS:
        schema["x-kubernetes-patch-strategy"] = "retainKeys"
    if where in SET_LISTS:
        schema |= {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
    if where in KEY_DEFAULTS:
        schema["default"] = KEY_DEFAULTS[where]
    keys = MAP_LISTS.get(where.replace("V1EphemeralContainer.", "V1Container."))
    if keys:
        schema |= {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": list(keys),
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": keys[0],
        }
    return schema


def _type_schema(declared: str, name: str) -> Schema:
    if declared in SCALARS:
        return SCALARS[declared]
    if declared == "int":
        return {"type": "integer", "format": "int64" if INT64.search(name) else "int32"}
    if match := re.fullmatch(r"[Ll]ist\[(.+)\]", declared):
        return {"type": "array", "items": _type_schema(match[1], name)}
    if match := re.fullmatch(r"[Dd]ict[\[(]str, (.+)[\])]", declared):
        return {"type": "object", "additionalProperties": _type_schema(match[1], name)}
    return model_schema(declared)


def _as_quantity(schema: Schema) -> dict[str, Any]:
    quantity = {"type": "string", "format": "quantity"}
    return {**schema, "additionalProperties": quantity} if schema["type"] == "object" else quantity
