"""The steps of the Dockerfile, carried out in clean directories without a container engine.

This is a rehearsal, not an image build: the base image is not pulled, and programs of this
machine stand in for it (`sandbox.py`). Everything else is what the Dockerfile itself says: each
COPY, RUN, ENV, ARG and WORKDIR is read from it, and nothing is written down twice.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.dockerfile import Dockerfile, Ignored, Instruction, Stage, argument, filled
from tests.image.sandbox import BASE_PATH, Sandbox

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Built:
    """What a stage became."""

    sandbox: Sandbox
    environment: dict[str, str]
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0"
    stop_signal: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    @property
    def variables(self) -> Mapping[str, str]:
        """What `$NAME` may stand for."""
        return {**self.arguments, **self.environment}

    def path(self, inside: str) -> Path:
        """Return where a path of the stage is on this machine."""
        absolute = Path(self.workdir, inside)
        below = absolute.parts[1:]
        if below[:2] == ("usr", "local"):
            below = ("usr-local", *below[2:])
        return self.sandbox.root.joinpath(*below)

    def start(self, *arguments: str, **environment: str) -> list[str]:
        """Return the command line that starts the image as a cluster does: read-only, as its user.

        Args:
            arguments: Instead of the image's own CMD.
            environment: Further variables.
        """
        words = [*self.entrypoint, *(arguments or self.command)]
        variables = {**self.environment, **environment}
        return self.sandbox.read_only(words, variables, self.user, self.workdir)


class Rehearsal:
    """One walk through all stages."""

    def __init__(self, folder: Path, source: Path = REPOSITORY) -> None:
        """Remember where.

        Args:
            folder: For the stages.
            source: The context: what is copied, as far as its `.dockerignore` lets it through.
        """
        self._folder, self._source = folder, source
        self._ignored = Ignored((source / ".dockerignore").read_text())
        self.stages: dict[str, Built] = {}
        """What was carried out so far, by name."""

    def walk(self, until: str | None = None) -> Built:
        """Carry out the stages, up to one or all, and return the last of them."""
        for stage in Dockerfile.read(self._source / "Dockerfile").stages:
            self.stages[stage.name] = self._build(stage)
            if stage.name == until:
                break
        return self.stages[stage.name]

    def _build(self, stage: Stage) -> Built:
        sandbox = Sandbox.fresh(self._folder / stage.name)
        built = Built(sandbox, {"PATH": BASE_PATH})
        for instruction in stage.instructions:
            self._carry_out(instruction, built)
        return built

    def _carry_out(self, instruction: Instruction, built: Built) -> None:
        text = instruction.text
        match instruction.word:
            case "RUN":
                built.sandbox.run(["sh", "-c", text], built.variables, built.workdir)
            case "COPY":
                self._copy(text.split(), built)
            case "ENV":
                pairs = instruction.pairs().items()
                built.environment |= {k: filled(v, built.variables) for k, v in pairs}
            case "LABEL":
                pairs = instruction.pairs().items()
                built.labels |= {k: filled(v, built.variables) for k, v in pairs}
            case "ARG":
                built.arguments |= argument(instruction)
            case "WORKDIR":
                built.workdir = text
                built.path(text).mkdir(parents=True, exist_ok=True)
            case "USER":
                built.user = text
            case "STOPSIGNAL":
                built.stop_signal = text
            case "ENTRYPOINT":
                built.entrypoint = instruction.words()
            case "CMD":
                built.command = instruction.words()

    def _copy(self, words: Sequence[str], built: Built) -> None:
        *sources, target = words
        if sources[0].startswith("--from="):
            earlier = self.stages[sources.pop(0).removeprefix("--from=")]
            found = [earlier.path(source) for source in sources]
            leave_out = None
        else:
            found = [self._source / source for source in sources]
            leave_out = self._left_out
            lost = [each.name for each in found if self._is_left_out(each)]
            assert not lost, f".dockerignore leaves out what is copied: {lost}"
        for each in found:
            to = built.path(target)
            to = to / each.name if target.endswith("/") else to
            if each.is_dir():  # the content of a folder is copied, not the folder
                shutil.copytree(each, to, symlinks=True, ignore=leave_out, dirs_exist_ok=True)
            else:
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(each, to, follow_symlinks=False)

    def _is_left_out(self, path: Path) -> bool:
        return self._ignored(path.relative_to(self._source).as_posix())

    def _left_out(self, folder: str, names: list[str]) -> list[str]:
        return [name for name in names if self._is_left_out(Path(folder, name))]
