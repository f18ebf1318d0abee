"""`lint`: what is wrong or unwise in manifests."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from canary_operator.parameters import Duration, HostPattern
from canary_operator.plugin.exits import Exit, UsageProblemError
from canary_operator.plugin.options import look_options, output_option

if TYPE_CHECKING:
    from canary_operator.plugin.console import Look
    from canary_operator.plugin.offline.lint import Report

FILES = click.Path(allow_dash=True)


@click.command("lint", short_help="Find what is wrong or unwise in manifests")
@click.argument("files", nargs=-1, type=FILES, metavar="[FILE]...")
@click.option(
    "-f",
    "--filename",
    "named",
    multiple=True,
    type=FILES,
    metavar="FILE",
    help="File, directory, or - for standard input; may be given several times.",
)
@click.option("--strict", is_flag=True, help="Fail for warnings too.")
@click.option(
    "--prometheus-scrape-interval",
    "scrape_interval",
    type=Duration(),
    default="15s",
    show_default=True,
    help="What the operator was started with.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    type=HostPattern(),
    multiple=True,
    metavar="PATTERN",
    help="What the operator was started with; may be given several times.",
)
@output_option("json", "yaml")
@look_options
def lint(  # noqa: PLR0913 - one for each option
    *,
    look: "Look",
    files: tuple[str, ...],
    named: tuple[str, ...],
    strict: bool,
    scrape_interval: timedelta,
    allowed_hosts: tuple[str, ...],
    output: str | None,
) -> Exit:
    """Find what is wrong or unwise in manifests, without a cluster.

    Errors are what the API server or the operator would refuse, in the same words; warnings are
    what they take and what you probably did not mean. Give everything that is applied together,
    and what Helm or Kustomize makes of it:

    \b
      kubectl canary lint deploy/
      helm template CHART | kubectl canary lint -f -
      kustomize build DIRECTORY | kubectl canary lint -f -

    Ends with 1 if there is an error, with --strict also if there is a warning.
    """  # noqa: D301 - click reads the \b
    from canary_operator.plugin.console import open_sheet
    from canary_operator.plugin.formats import formatted
    from canary_operator.plugin.offline.documents import read_documents
    from canary_operator.plugin.offline.lint import Operator, lint
    from canary_operator.plugin.screens.findings import report_lines

    paths = (*named, *files)
    if not paths:
        raise UsageProblemError(
            "No file was given", "Name files or directories, or -f - for a pipe."
        )
    operator = Operator(scrape_interval, allowed_hosts or None)
    report = lint(read_documents(paths), operator, paths)
    if output is not None:
        click.echo(formatted([finding.facts() for finding in report.findings], output))
    else:
        sheet = open_sheet(look)
        sheet.print(*report_lines(report, sheet))
    return _exit(report, strict=strict)


def _exit(report: "Report", *, strict: bool) -> Exit:
    from canary_operator.plugin.offline.lint import Severity

    failing = report.count(Severity.ERROR) + strict * report.count(Severity.WARNING)
    return Exit.FAILED if failing else Exit.DONE
