"""What a user wants: `spec` of a CanaryRollout.

The models are the source of the CRD (`canary_operator.crd`). They keep what the user wrote; the
defaults are filled in here and never by the API server, so that a GitOps tool finds its object
unchanged.

    kind.py      what a kind of value is
    kinds.py     single values: numbers, durations, names
    schema.py    base of the models, and rules across fields
    http.py      kinds of values in conditions and routes
    conditions.py  which requests are meant
    route.py     what is done to them
    policy.py    how proxies treat where they are sent to
    template.py  service.py  traffic.py  strategy.py  analysis.py  comparison.py
    autoscaling.py
    rollout.py   all of it; `parse_spec`
    problems.py  what is wrong, in sentences
"""

from canary_operator.domain.spec.analysis import Analysis, Latency, MetricCheck, Query, SuccessRate
from canary_operator.domain.spec.autoscaling import Autoscaling, Capacity
from canary_operator.domain.spec.comparison import Comparison, Guardrail, Healthy
from canary_operator.domain.spec.problems import Problem, find_problems
from canary_operator.domain.spec.rollout import RolloutSpec, check_name, parse_spec
from canary_operator.domain.spec.service import PortSpec, ServicePort, ServiceSpec
from canary_operator.domain.spec.strategy import Step, StepSpec, Strategy
from canary_operator.domain.spec.template import PodTemplate
from canary_operator.domain.spec.traffic import (
    IstioTraffic,
    ReplicasTraffic,
    TrafficSpec,
    VirtualServiceReference,
)

__all__ = [
    "Analysis",
    "Autoscaling",
    "Capacity",
    "Comparison",
    "Guardrail",
    "Healthy",
    "IstioTraffic",
    "Latency",
    "MetricCheck",
    "PodTemplate",
    "PortSpec",
    "Problem",
    "Query",
    "ReplicasTraffic",
    "RolloutSpec",
    "ServicePort",
    "ServiceSpec",
    "Step",
    "StepSpec",
    "Strategy",
    "SuccessRate",
    "TrafficSpec",
    "VirtualServiceReference",
    "check_name",
    "find_problems",
    "parse_spec",
]
