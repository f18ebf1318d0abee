"""A root directory of its own for each stage, entered by mount namespace and chroot.

It is no container engine: programs of this machine stand in for those of the base image, and a
copy of the running Python for the one in it. What a step writes stays in the stage.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("bin", "sbin", "lib", "lib32", "lib64")
PRIVATE = ("opt", "root", "run", "src", "tmp", "var", "wheel")
BASE_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
PASSED_ON = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy")
"""How this machine reaches the package index, as an engine passes on its proxy settings."""

INTERPRETER = f"python{sys.version_info.major}.{sys.version_info.minor}"
WITHOUT = ("__pycache__", "test", "tests", "idlelib", "turtledemo", "site-packages", "config-*")


@dataclass(frozen=True)
class Sandbox:
    """The root directory of one stage."""

    root: Path

    @classmethod
    def fresh(cls, root: Path) -> "Sandbox":
        """Make a root with a Python and a pip, as the base image has them, and nothing else."""
        for name in PRIVATE:
            (root / name).mkdir(parents=True)
        for name in ("dev", "etc", "proc", "usr", "usr-local/bin"):
            (root / name).mkdir(parents=True)
        for name in NAMES:
            if (link := Path("/", name)).is_symlink():
                (root / name).symlink_to(link.readlink())
            elif link.exists():
                (root / name).mkdir()
        (root / "tmp").chmod(0o1777)
        sandbox = cls(root)
        sandbox._stand_in()
        return sandbox

    def _stand_in(self) -> None:
        """Copy the interpreter that runs this, without its packages."""
        here, there = Path(sys.base_prefix), self.root / "usr-local"
        shutil.copy2(here / "bin" / INTERPRETER, there / "bin")
        for alias in ("python3", "python"):
            (there / "bin" / alias).symlink_to(INTERPRETER)
        leave_out = shutil.ignore_patterns(*WITHOUT)
        library = Path("lib", INTERPRETER)
        shutil.copytree(here / library, there / library, symlinks=True, ignore=leave_out)
        (there / library / "site-packages").mkdir()
        for shared in (here / "lib").glob("libpython*.so*"):
            shutil.copy2(shared, there / "lib", follow_symlinks=False)
        quiet = {"PIP_ROOT_USER_ACTION": "ignore"}
        self.run(["python", "-m", "ensurepip", "--default-pip"], quiet)
        # Before 3.12, ensurepip brings setuptools, too.
        self.run(["python", "-m", "pip", "uninstall", "--yes", "setuptools"], quiet)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], workdir: str = "/"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a build step, and return what it printed.

        Raises:
            AssertionError: it failed.
        """
        passed_on = {k: v for k, v in os.environ.items() if k.startswith(PASSED_ON)}
        inside = _enter(command, {"HOME": "/root", **passed_on, **environment}, workdir)
        return _finished(self._outside(["exec " + inside]))

    def read_only(
        self, command: Sequence[str], environment: Mapping[str, str], user: str, workdir: str = "/"
    ) -> list[str]:
        """Return the command line that runs `command` as `docker run --read-only --user` does."""
        inside = _enter(command, {"HOME": "/", **environment}, workdir, user)
        root = shlex.quote(str(self.root))
        closed = f"mount -o remount,bind,ro {root}"
        local = f"mount -o remount,bind,ro {root}/usr/local"
        return self._outside([closed, local, "exec " + inside])

    def _outside(self, last: Sequence[str]) -> list[str]:
        """Return a command line that mounts everything, where only its children see it."""
        root = shlex.quote(str(self.root))
        steps = ["set -eu", f"mount --bind {root} {root}"]
        own = [name for name in NAMES if os.path.lexists(self.root / name)]
        real = [name for name in own if not (self.root / name).is_symlink()]
        steps += [f"mount --bind -o ro /{name} {root}/{name}" for name in ("etc", "usr", *real)]
        steps.append(f"mount --bind {root}/usr-local {root}/usr/local")
        steps += [f"mount --rbind /{name} {root}/{name}" for name in ("dev", "proc")]
        steps += [f"cd {root}", *last]
        mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
        return ["unshare", "--mount", *mapped, "sh", "-c", "\n".join(steps)]


def _enter(
    command: Sequence[str], environment: Mapping[str, str], workdir: str, user: str | None = None
) -> str:
    variables = {"PATH": BASE_PATH, "LD_LIBRARY_PATH": "/usr/local/lib", **environment}
    given = [f"{name}={value}" for name, value in variables.items()]
    go = ["sh", "-c", 'cd "$0" && exec "$@"', workdir, *command]
    who = [f"--userspec={user}", "--groups="] if user else []
    return shlex.join(["chroot", *who, ".", "/usr/bin/env", "-i", *given, *go])


def _finished(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    return done


def works() -> bool:
    """Whether this machine lets us mount in a namespace of our own."""
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--mount", *mapped, "mount", "--bind", "/tmp", "/tmp"]
    return shutil.which("unshare") is not None and (
        subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
