"""`lint`: what is wrong or unwise in manifests, each at its line.

run.py       all rules over all objects; `lint`
rules.py     what a rule is, and what it looks at
findings.py  what it says

    objects.py     one object as it was written: schema and models
    acceptance.py  one CanaryRollout: what only the operator refuses
    pods.py  strategy.py  timing.py  analysis.py    one CanaryRollout: advice
    names.py  autoscalers.py  routes.py             all objects together
"""

from canary_operator.plugin.offline.lint.findings import Finding, Report, Severity
from canary_operator.plugin.offline.lint.rules import Operator
from canary_operator.plugin.offline.lint.run import lint

__all__ = ["Finding", "Operator", "Report", "Severity", "lint"]
