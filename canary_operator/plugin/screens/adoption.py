"""A proposed CanaryRollout as a file: what to do as comments, then the manifest."""

from collections.abc import Iterator
from functools import partial
from textwrap import wrap as wrap_text

from canary_operator.plugin.live.adoption.handover import Remark, Traffic
from canary_operator.plugin.live.adoption.proposal import Proposal
from canary_operator.plugin.live.adoption.yamltext import manifest_text

COLUMNS = 96
wrap = partial(wrap_text, width=COLUMNS, break_on_hyphens=False, break_long_words=False)


def proposal_text(proposal: Proposal, *, ascii_only: bool = False) -> str:
    """Return the whole file.

    Args:
        proposal: What to print.
        ascii_only: Whether text of the manifest is escaped; comments are the caller's to convert.
    """
    manifest = manifest_text(proposal.manifest, ascii_only=ascii_only)
    comments = "\n".join(f"# {line}".rstrip() for line in _comments(proposal))
    endings = "\n".join(f"  # {line}".rstrip() for line in _endings(proposal))
    return f"{comments}\n{manifest}{endings}\n"


def _comments(proposal: Proposal) -> Iterator[str]:
    yield proposal.title
    yield from wrap(proposal.preface)
    for number, stage in enumerate(proposal.stages, start=1):
        yield ""
        yield f"{number}. {stage.title}"
        for remark in stage.remarks:
            yield from _remark(remark)
    if proposal.left_out:
        yield ""
        yield "Not carried over:"
        for words in proposal.left_out:
            yield from _item(words)


def _remark(remark: Remark) -> Iterator[str]:
    yield from _item(remark.words)
    for command in remark.commands:
        yield f"       {command}"


def _item(words: str) -> Iterator[str]:
    yield from wrap(words, initial_indent="   - ", subsequent_indent="     ")


def _endings(proposal: Proposal) -> Iterator[str]:
    yield from wrap(proposal.defaults)
    if proposal.traffic.hosts:
        yield from _traffic(proposal.traffic)


def _traffic(traffic: Traffic) -> Iterator[str]:
    yield "traffic:"
    yield "  istio:"
    for field, values in (("hosts", traffic.hosts), ("gateways", traffic.gateways)):
        if values:
            yield f"    {field}:"
            yield from (f'      - "{value}"' for value in values)
