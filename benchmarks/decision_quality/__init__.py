"""How often verdicts are right: the operator's own decisions over synthetic traffic."""
