"""What goes wrong with a control plane; that it works is told by `test_clusters.py`."""

import json
import os
from pathlib import Path
from tempfile import gettempdir

import pytest

from canary_operator.playground.daemon import DaemonError
from tests.support.audit import AuditLog
from tests.support.realplane import (
    ASSETS_VARIABLE,
    MissingAssetsError,
    RealControlPlane,
    assets_folder,
)


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


def event(path: str, stage: str = "ResponseComplete") -> str:
    about = {"resource": "pods", "namespace": "demo", "name": "web", "apiVersion": "v1"}
    return json.dumps(
        {
            "stage": stage,
            "requestURI": path,
            "verb": "patch",
            "user": {"username": "admin"},
            "userAgent": "kopf/1",
            "objectRef": about,
            "responseStatus": {"code": 200},
        }
    )


def test_nobody_asks_for_a_real_control_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ASSETS_VARIABLE, raising=False)
    assert assets_folder() is None


def test_a_folder_without_the_programs_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "etcd", "exit 0")
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path))
    with pytest.raises(MissingAssetsError, match="kube-apiserver"):
        assets_folder()


async def test_a_program_that_dies_is_quoted_and_nothing_is_left(tmp_path: Path) -> None:
    program(tmp_path, "etcd", f'echo $$ >"{tmp_path}/pid"; exec sleep 60')
    program(
        tmp_path, "kube-apiserver", f'until [ -s "{tmp_path}/pid" ]; do :; done; echo no; exit 3'
    )
    plane = RealControlPlane(tmp_path)
    with pytest.raises(DaemonError, match=r"(?s)kube-apiserver .* 3\..*\nno"):
        async with plane:
            pass
    assert Path(gettempdir()) in plane.kubeconfig.parents
    assert not plane.kubeconfig.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_audit_log_is_read_from_where_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(event("/old") + "\n")
    log = AuditLog(path)
    with path.open("a") as file:
        file.write(event("/api/v1/namespaces/demo/pods/web?dryRun=All") + "\n")
        file.write(event("/api/v1/namespaces/demo/pods/web")[:40])  # not completely written yet
    (request,) = log.read().entries
    assert request.dry_run
    assert (request.user_agent, request.verb, request.name) == ("kopf/1", "patch", "web")
    log.forget()
    assert log.read().entries == []
