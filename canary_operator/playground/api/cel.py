"""Placeholder until CEL is written below."""

from typing import Any


def rules_of(schema: Any) -> Any:
    return []


def check(*a: Any) -> Any:
    return []
