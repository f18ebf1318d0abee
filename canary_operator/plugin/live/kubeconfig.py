"""Kubeconfig files, merged as kubectl merges them.

    chosen = Kubeconfig.read(files_of(target)).choose(target.context)
    configuration = await chosen.configuration()

What is wrong with them is a `PluginError` of one line, which repeats neither token nor password.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.kube_config import ConfigNode

from canary_operator.adapters.cluster.configuration import renew_while_used
from canary_operator.plugin.exits import OutageError, PluginError
from canary_operator.plugin.live.login import Loader, one_line
from canary_operator.plugin.target import Target

DEFAULT_FILE = Path("~/.kube/config")
_NOBODY = "nobody"


def files_of(target: Target) -> list[Path]:
    """Return the files that count, whether they exist or not."""
    if target.kubeconfig:
        return [target.kubeconfig.expanduser()]
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)
    return [Path(one).expanduser() for one in named if one] or [DEFAULT_FILE.expanduser()]


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """What all files say together: of two entries of one name, the first counts."""

    files: str
    """For messages."""
    current: str
    """Name of the current context; empty where no file has one."""
    contexts: Mapping[str, Any]
    clusters: Mapping[str, Any]
    users: Mapping[str, Any]

    @classmethod
    def read(cls, files: Sequence[Path]) -> "Kubeconfig":
        """Read the files that exist.

        Raises:
            PluginError: one of them is no kubeconfig.
        """
        current = ""
        sections: dict[str, dict[str, Any]] = {"contexts": {}, "clusters": {}, "users": {}}
        for file in files:
            content = _content(file) if file.exists() else {}
            current = current or str(content.get("current-context") or "")
            for section, known in sections.items():
                for name, entry in _entries(file, content, section):
                    known.setdefault(name, entry)
        return cls(os.pathsep.join(map(str, files)), current, **sections)

    def choose(self, context: str | None) -> "Chosen":
        """Return how to reach the cluster of a context, or of the current one.

        Raises:
            PluginError: there is no such context, or it does not say which cluster.
        """
        name = context or self.current
        known = ", ".join(sorted(self.contexts)) or "none"
        if not name:
            raise PluginError(
                f"The kubeconfig {self.files} has no current context",
                f"Choose one with --context; there are: {known}.",
            )
        if name not in self.contexts:
            current = "" if context else ", the current one,"
            raise PluginError(f"No context {name}{current} in {self.files}; there are: {known}")
        said = _inside(self.contexts[name], "context")
        cluster, user = str(said.get("cluster") or ""), str(said.get("user") or "")
        if not _inside(self.clusters.get(cluster), "cluster").get("server"):
            raise self._broken(name, f"cluster {cluster}" if cluster else "cluster")
        if user and user not in self.users:
            raise self._broken(name, f"user {user}")
        context_only = {"name": name, "context": {"cluster": cluster, "user": user or _NOBODY}}
        parts = {
            "contexts": [context_only],
            "clusters": [self.clusters[cluster]],
            "users": [self.users[user]] if user else [{"name": _NOBODY, "user": {}}],
        }
        loader = Loader(  # type: ignore[no-untyped-call]
            _node(self.files, parts), active_context=name, config_base_path=None
        )
        return Chosen(name, str(said.get("namespace") or "default"), loader, self.files)

    def _broken(self, context: str, what: str) -> PluginError:
        return PluginError(
            f"Context {context} in {self.files} names no {what} that can be used",
            "Look at it with: kubectl config view",
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """One context, ready to be used."""

    context: str
    namespace: str
    loader: Loader
    files: str

    async def configuration(self) -> Configuration:
        """Log in; credentials that expire are renewed while they are used.

        Raises:
            PluginError: the login failed, or a file cannot be read.
        """
        # What fails is told by our own error, not by the library's log.
        logging.getLogger("kubernetes.aio").setLevel(logging.CRITICAL)
        configuration = Configuration()
        await self._load(configuration)
        renew_while_used(configuration, self._renew)
        return configuration

    async def _load(self, configuration: Configuration) -> None:
        try:
            await self.loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        except PluginError:
            raise
        except Exception as error:
            raise unusable(self.files, error) from error

    async def _renew(self, configuration: Configuration) -> None:
        try:
            await self._load(configuration)
        except PluginError as error:  # the next try may do, so a watch goes on
            raise OutageError(error.format_message()) from error


def unusable(files: object, error: object) -> PluginError:
    """Return what to say about a kubeconfig that cannot be used."""
    words = error.strerror if isinstance(error, OSError) else error
    return PluginError(
        f"The kubeconfig {files} cannot be used: {one_line(words or type(error).__name__)}"
    )


def _content(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:  # its full text would repeat the line, and a token in it
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise unusable(file, f"{error.problem}{line}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise unusable(file, error if isinstance(error, OSError) else "it is no text") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise unusable(file, "it is no mapping")
    return content


def _entries(file: Path, content: Mapping[str, Any], section: str) -> list[tuple[str, Any]]:
    """Return named entries, each with its file: paths in it are relative to that."""
    kind = section.removesuffix("s")
    entries = content.get(section) or []
    if not isinstance(entries, list) or not all(_is_entry(one, kind) for one in entries):
        raise unusable(file, f"its {section} are no list of entries with name and {kind}")
    found = []
    for one in entries:
        name = str(one["name"])
        entry = {"name": name, kind: one.get(kind) or {}}
        found.append((name, _node(f"{section} of {file}", entry, file)))
    return found


def _node(name: str, content: Mapping[str, Any], file: Path | None = None) -> Any:
    return ConfigNode(name, content, str(file) if file else None)  # type: ignore[no-untyped-call]


def _is_entry(one: Any, kind: str) -> bool:
    return isinstance(one, dict) and "name" in one and isinstance(one.get(kind) or {}, dict)


def _inside(entry: Any, kind: str) -> Mapping[str, Any]:
    return entry.value[kind] if entry is not None else {}
