"""Plays the examples of the tutorial one after the other, and draws what came of it."""

import asyncio
from pathlib import Path

import click

from benchmarks.tutorial_pictures.picture import draw
from benchmarks.tutorial_pictures.recording import Callers, Rush, Story, recorded

EVERYBODY = Callers("seen by callers", rate=200)
HELLOWORLD = ("1-helloworld-v1.yaml", "2-helloworld-v2.yaml")
STORIES = (
    Story(
        "kubernetes-only",
        *HELLOWORLD,
        title="Kubernetes alone: pods are the share",
        callers=(EVERYBODY,),
        istio=False,
    ),
    Story(
        "istio-weights",
        *HELLOWORLD,
        title="Istio: three shares with the same pods",
        callers=(EVERYBODY,),
    ),
    Story(
        "focused",
        "1-shop-v1.yaml",
        "2-shop-v2.yaml",
        title="Focused: the share counts among one company's requests",
        callers=(
            Callers("company=acme", rate=60, headers={"Cookie": "theme=dark; company=acme"}),
            Callers("all others", rate=100),
        ),
    ),
    Story(
        "autoscaling",
        "1-hello-v1.yaml",
        "2-hello-v2.yaml",
        title="Autoscaling: pods follow the load, the share does not",
        callers=(Callers("seen by callers", rate=32),),
        rush=Rush(weight=50, rate=56, seconds=36),
        warm_seconds=20,
    ),
)


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/images"),
    show_default=True,
    help="Folder for the pictures.",
)
@click.argument("examples", nargs=-1)
def main(output: Path, examples: tuple[str, ...]) -> None:
    """Draw the pictures of the tutorial: of all its EXAMPLES, or of some."""
    output.mkdir(parents=True, exist_ok=True)
    for story in STORIES:
        if not examples or story.example in examples:
            click.echo(f"{story.example}: some minutes …")
            file = output / f"tutorial-{story.example}.png"
            draw(story, asyncio.run(recorded(story)), file)
            click.echo(f"  {file}, {file.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
