"""What the API server, or something in its place, says: bounded and on one line before it is told.

Messages of errors end up in status, Events and logs.
"""

from typing import Any

import pytest

from canary_operator.adapters.cluster.errors import Call, Refusal, error_of
from canary_operator.adapters.cluster.resources import DEPLOYMENTS
from canary_operator.adapters.cluster.trouble import deployment_trouble, pod_trouble
from canary_operator.domain.errors import InvalidTemplateError
from canary_operator.domain.foreign_text import one_line
from tests.adapters.cluster.world import World, template

CALL = Call("patch", DEPLOYMENTS, "demo", "web-stable")
SECRET = "s3cret"
NASTY = "a\n\x1b[31mFORGED LINE\r\x00\u202eb\u2028c"
LONG = "x" * 1_000_000
CODES = (400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 502, 503, 504, 599)
LONGEST = 1200


def status(message: str, **more: Any) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "message": message, **more}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"<html>{SECRET}</html>", id="a page"),
        pytest.param({"message": SECRET, "error": SECRET}, id="somebody else's JSON"),
        pytest.param({"kind": "Secret", "message": SECRET}, id="another object"),
        pytest.param(f'User "{SECRET}" cannot get resource "{SECRET}"', id="a false refusal"),
    ],
)
def test_a_body_that_is_no_status_is_not_told(code: int, body: Any) -> None:
    assert SECRET not in str(error_of(CALL, Refusal(code, body)))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("message", [NASTY, LONG, f'User "{NASTY}" cannot {LONG}'])
def test_a_message_is_told_on_one_line_and_bounded(code: int, message: str) -> None:
    told = str(error_of(CALL, Refusal(code, status(message))))
    assert told.isprintable()
    assert len(told) < LONGEST


@pytest.mark.parametrize("user", [NASTY, LONG], ids=["with a line break", "without end"])
def test_the_user_of_a_missing_right_is_told_on_one_line_and_bounded(user: str) -> None:
    message = f'deployments "web" is forbidden: User "{user}" cannot patch resource "deployments"'
    told = str(error_of(CALL, Refusal(403, status(message, reason="Forbidden"))))
    assert told.isprintable()
    assert len(told) < LONGEST


def test_what_could_not_be_read_of_an_answer_is_told_on_one_line_and_bounded(world: World) -> None:
    told = str(world.client.unanswered(CALL, ValueError(f"Bad status line {NASTY}{LONG}")))
    assert told.isprintable()
    assert len(told) < LONGEST


async def test_a_template_that_the_server_quotes_is_told_on_one_line_and_bounded(
    world: World,
) -> None:
    rollout = await world.rollout()
    for name in (NASTY, "y" * 50_000):
        with pytest.raises(InvalidTemplateError) as refused:
            await world.workloads.try_out(rollout, template(env=[{"name": name, "value": 3}]))
        assert refused.value.message.isprintable()
        assert len(refused.value.message) < LONGEST


def test_the_words_of_a_kubelet_or_a_quota_are_told_on_one_line_and_bounded() -> None:
    waiting = {"reason": "CreateContainerError", "message": NASTY + LONG}
    pod = {
        "metadata": {"name": "web-canary-1"},
        "status": {
            "containerStatuses": [{"name": "a", "image": "b", "state": {"waiting": waiting}}]
        },
    }
    failure = {"type": "ReplicaFailure", "status": "True", "message": NASTY + LONG}
    for told in (pod_trouble(pod), deployment_trouble({"conditions": [failure]})):
        assert told is not None
        assert told.isprintable()
        assert len(told) < LONGEST


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("one", "one"),
        (" a \t\n b ", "a b"),
        ("12345678", "12345678"),
        ("123456789", "1234567…"),
        ("\x00\u202e\ud800", ""),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text, 8) == line
