"""What Argo CD does with scripts of its resource customizations, as far as it matters here.

The sandbox, the way from Lua to JSON and the patch of an action follow Argo CD 3.6 at commit
37ee009 of https://github.com/argoproj/argo-cd: `runLua`, `decodeValue` and `cleanReturnedObj` in
`util/lua/lua.go`, and `patchResource` in `server/application/application.go`. It runs scripts of
the ConfigMap with gopher-lua, which is Lua 5.1, with only the libraries `base`, `package`, `table`
and a part of `os`: no `string`, no `math`, no methods of strings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lupa import lua51

from canary_operator.domain.status import merge_patch

CUSTOMIZATIONS = Path(__file__).parents[2] / "deploy" / "argocd" / "resource_customizations"
FOLDER = CUSTOMIZATIONS / "canary-operator.dev" / "CanaryRollout"
HEALTH = (FOLDER / "health.lua").read_text(encoding="utf-8")
DISCOVERY = (FOLDER / "actions" / "discovery.lua").read_text(encoding="utf-8")
ACTIONS: Mapping[str, str] = {
    path.parent.name: path.read_text(encoding="utf-8")
    for path in sorted(FOLDER.glob("actions/*/action.lua"))
}

STATUSES = frozenset({"Unknown", "Progressing", "Suspended", "Healthy", "Degraded", "Missing"})
"""Health statuses that Argo CD takes; any other word becomes Unknown."""

_CLOSE = """
debug.setmetatable("", nil)
for _, name in ipairs({"string", "math", "io", "debug", "coroutine", "python"}) do
  _G[name] = nil
  package.loaded[name] = nil
end
for name in pairs(os) do
  if name ~= "time" and name ~= "date" then os[name] = nil end
end
"""


def run(script: str, manifest: Mapping[str, Any]) -> Any:
    """Run a script with the object as `obj`, and return what it returns as JSON values.

    Raises:
        lupa.lua51.LuaError: the script raised, or wants what the sandbox does not have.
    """
    lua = lua51.LuaRuntime(register_eval=False, register_builtins=False)
    lua.execute(_CLOSE)
    lua.globals().obj = _to_lua(lua, manifest)
    return _to_json(lua.execute(script))


def act(name: str, live: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that Argo CD sends for an action."""
    wanted = _clean(run(ACTIONS[name], live), live)
    return merge_patch(live, wanted)


def _to_lua(lua: lua51.LuaRuntime, value: Any) -> Any:
    match value:
        case Mapping():
            table = lua.table()
            for key, item in value.items():
                table[key] = _to_lua(lua, item)
            return table
        case list() | tuple():
            return lua.table(*[_to_lua(lua, item) for item in value])
        case _:
            return value


def _to_json(value: Any) -> Any:
    """Return a Lua value as gopher-json encodes it: an empty table is an empty list."""
    if lua51.lua_type(value) != "table":
        return value
    items = dict(value.items())
    if all(isinstance(key, int) for key in items):
        return [_to_json(items[index]) for index in range(1, len(items) + 1)]
    return {key: _to_json(item) for key, item in items.items()}


def _clean(new: Any, old: Any) -> Any:
    """Turn empty lists, where the object had something else, back into empty objects."""
    match new, old:
        case [], Mapping():
            return {}
        case Mapping(), Mapping():
            return {key: _clean(item, old.get(key)) for key, item in new.items()}
        case list(), list():
            pairs = zip(new, old, strict=False)
            return [_clean(one, other) for one, other in pairs] + new[len(old) :]
        case _:
            return new
