"""Login programs that a kubeconfig names (`user.exec`): what goes wrong is said, not only logged.

Messages go through `one_line`, so that none of them repeats a token.
"""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import FileOrData, KubeConfigLoader

from canary_operator.plugin.exits import PluginError

_LONGEST = 300
_SECRET = re.compile(r"eyJ[\w.-]{10,}|k8s-aws-v1\.\S+|(?<=Bearer )\S+", re.IGNORECASE)
"""JSON Web Tokens, tokens of EKS, and whatever is called a bearer token."""
_EXPIRES_SOON = timedelta(minutes=2)
"""More than the time between two looks at the expiry."""


def one_line(words: object, longest: int = _LONGEST) -> str:
    """Return words from elsewhere as one line without tokens."""
    text = _SECRET.sub("…", " ".join(str(words).split()))
    return text if len(text) <= longest else f"{text[:longest]}…"


class Loader(KubeConfigLoader):
    """Says what is wrong with a login program; the library would go on as nobody."""

    _good_until: datetime | None = None

    async def load_from_exec_plugin(self) -> bool:
        """Run the login program, unless what it gave is still good."""
        if self._good_until and datetime.now(UTC) < self._good_until - _EXPIRES_SOON:
            return True
        settings: Any = self._user["exec"]  # type: ignore[index]  # it is why this is called
        program = Program(ExecProvider(settings), settings.value)  # type: ignore[no-untyped-call]
        status = await program.credentials()
        if status.get("token"):
            self.token = f"Bearer {status['token']}"
        if status.get("clientCertificateData"):
            self.cert_file = _file(status, "clientCertificateData")
            self.key_file = _file(status, "clientKeyData")
        expiry = status.get("expirationTimestamp")
        self._good_until = datetime.fromisoformat(expiry) if expiry else None
        return True


def _file(status: Mapping[str, Any], key: str) -> Any:
    content = FileOrData(status, None, data_key_name=key, base64_file_content=False)  # type: ignore[no-untyped-call]
    return content.as_file()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Program:
    """A login program, as `user.exec` describes it."""

    provider: Any
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The command, for messages."""
        return str(self.provider.args[0])

    async def credentials(self) -> Mapping[str, Any]:
        """Run it and return a token, or a client certificate with its key."""
        out = await self._output()
        try:
            answer = json.loads(out)
        except ValueError:
            raise self._failure("prints something else than JSON") from None
        if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
            raise self._failure("prints something else than an ExecCredential")
        wanted, got = self.provider.api_version, answer.get("apiVersion")
        if got != wanted:
            raise self._failure(f"prints apiVersion {got}, and the kubeconfig asks for {wanted}")
        status = answer.get("status")
        status = status if isinstance(status, dict) else {}
        certificate = status.get("clientCertificateData") and status.get("clientKeyData")
        if not (status.get("token") or certificate):
            raise self._failure("gives neither a token nor a client certificate with its key")
        return status

    async def _output(self) -> bytes:
        interactive = sys.stdin.isatty() and self.settings.get("interactiveMode") != "Never"
        request = {
            "apiVersion": self.provider.api_version,
            "kind": "ExecCredential",
            "spec": {"interactive": interactive},
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *self.provider.args,
                env={**self.provider.env, "KUBERNETES_EXEC_INFO": json.dumps(request)},
                stdin=None if interactive else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            words = (error.strerror or type(error).__name__).lower()
            raise self._failure(f"cannot be run: {words}", "installHint") from None
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            *_, last = err.decode(errors="replace").strip().splitlines() or [""]
            raise self._failure(f"failed with exit code {process.returncode}: {last}".rstrip(": "))
        return out

    def _failure(self, words: str, advice: str = "") -> PluginError:
        hint = one_line(self.settings.get(advice) or "")
        return PluginError(f"The login program {self.name} {one_line(words)}", hint)
