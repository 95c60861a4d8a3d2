"""Where the commits of a git source are: its folder, or a mirror of its address. The only module that runs git.

git gets an environment of its own: no prompts, no hooks, no file system monitor, and only the protocols https, ssh and file.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ..sources import CorpusError, Secrets
from .remote import masked

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Git

ANSWER_SECONDS = 120
FETCH_SECONDS = 1_800
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ADDRESS = re.compile(r"[\w+.-]+://|(?:[\w.-]+@)?[\w.-]+:(?!//)")  # a URL, or host:path as ssh has it
PASSED_ON = ("HOME", "SSH_AUTH_SOCK", "HTTPS_PROXY", "NO_PROXY", "GIT_SSL_CAINFO", "SSL_CERT_FILE")
QUIET = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "submodule.recurse=false", "protocol.ext.allow=never")


class GitFailed(Exception):
    """git said no; the text is what it said, without passwords."""


@dataclass(frozen=True)
class Repository:
    """A git folder, and how git is called in it."""

    source: str
    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> bytes:
        """Output of a git command. Raises `CorpusError`."""
        try:
            return self.tried(*arguments)
        except GitFailed as error:
            raise CorpusError(
                f"source {self.source}: git {arguments[0]} failed ({error}); "
                "nothing was changed, mend the repository and run again"
            ) from error

    def tried(self, *arguments: str, seconds: float = ANSWER_SECONDS) -> bytes:
        """The same, raising `GitFailed`."""
        try:
            done = subprocess.run(
                self._command(arguments), env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:  # it holds the command, and that the address with its password
            raise GitFailed(f"no answer in {seconds:.0f} seconds") from None
        if done.returncode:
            said = masked(" ".join(done.stderr.decode("utf-8", "replace").split()))
            raise GitFailed(said[:300] or f"exit code {done.returncode}")
        return done.stdout

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command(arguments),
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def has(self, commit: str) -> bool:
        try:
            self.tried("cat-file", "-e", f"{commit}^{{commit}}")
        except GitFailed:
            return False
        return True

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        """The owner of the folder may be another user: it was named on purpose, and nothing in it is executed."""
        git = shutil.which("git")
        if git is None:
            raise CorpusError(f"source {self.source}: git is not installed, and the source is a git repository; install git")
        settings = [word for setting in (*QUIET, f"safe.directory={self.folder}") for word in ("-c", setting)]
        return [git, "--git-dir", str(self.folder), *settings, *arguments]


def opened(name: str, said: "Git", project: Path, secrets: Secrets, cache: Path) -> tuple[Repository, str]:
    """The repository, holding the commit that the ref names now, and that commit."""
    if said.ref.startswith("-") or said.repository.startswith("-"):
        got = f"{masked(said.repository)} and {said.ref}"
        raise CorpusError(f"source {name}: a repository or ref cannot start with '-'; got {got}")
    folder = _folder(project / said.repository)
    if folder:
        repository = Repository(name, folder, _environment(secrets, protocols=""))
        return repository, _commit(repository, said)
    if not ADDRESS.match(said.repository):
        raise CorpusError(f"source {name}: the git repository {project / said.repository} does not exist (is it mounted?)")
    return _mirrored(name, said, secrets, cache)


def _folder(path: Path) -> Path | None:
    """The git folder of a working copy or a bare repository. A file .git points to the folder of a worktree."""
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return path.resolve()
    inner = path / ".git"
    if inner.is_file():
        pointed = inner.read_text("utf-8").removeprefix("gitdir:").strip()
        return (path / pointed).resolve()
    return inner.resolve() if inner.is_dir() else None


def _environment(secrets: Secrets, protocols: str) -> dict[str, str]:
    passed = {name: value for name in PASSED_ON if (value := secrets(name))}
    return passed | {
        "PATH": secrets("PATH") or os.defpath,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def _mirrored(name: str, said: "Git", secrets: Secrets, cache: Path) -> tuple[Repository, str]:
    folder = cache / "git" / hashlib.sha256(said.repository.encode()).hexdigest()[:16]
    repository = Repository(name, folder, _environment(secrets, protocols="https:ssh:file"))
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock")):
        try:
            if not (folder / "HEAD").is_file():
                repository.tried("init", "--quiet", "--bare", str(folder))
            commit = _fetched(repository, said)
        except GitFailed as error:
            raise CorpusError(
                f"source {name}: {masked(said.repository)} cannot be fetched ({error}); "
                "nothing was changed, mend the address or its access and run again"
            ) from error
    return repository, commit


def _fetched(repository: Repository, said: "Git") -> str:
    """One commit without its history is fetched where the server names it; else everything."""
    if COMMIT.fullmatch(said.ref) and repository.has(said.ref):
        return said.ref
    there = _advertised(repository.tried("ls-remote", "--", said.repository))
    commit = _named(there, said.ref) or (said.ref if COMMIT.fullmatch(said.ref) else "")
    if commit and not repository.has(commit):
        try:
            _fetch(repository, said.repository, "--depth=1", f"{commit}:refs/kept/{commit}")
        except GitFailed:  # old servers give only the tips of branches
            _fetch(repository, said.repository, *_everything(repository))
    if commit and repository.has(commit):
        return commit
    if not commit:
        _fetch(repository, said.repository, *_everything(repository))
    return _commit(repository, said, there)


def _everything(repository: Repository) -> list[str]:
    depth = ["--unshallow"] if (repository.folder / "shallow").exists() else []
    return [*depth, "--prune", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]


def _fetch(repository: Repository, address: str, *what: str) -> None:
    flags = [word for word in what if word.startswith("--")]
    refs = [word for word in what if not word.startswith("--")]
    command = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--force", *flags]
    repository.tried(*command, "--", address, *refs, seconds=FETCH_SECONDS)


def _advertised(listed: bytes) -> dict[str, str]:
    lines = (line.split("\t") for line in listed.decode("utf-8", "replace").splitlines())
    return {ref: commit for commit, ref in lines}


def _named(there: dict[str, str], ref: str) -> str:
    """The commit of a branch or tag; a tag that is an object of its own is followed to its commit."""
    for name in (ref, f"refs/{ref}", f"refs/tags/{ref}", f"refs/heads/{ref}"):
        if commit := there.get(f"{name}^{{}}") or there.get(name):
            return commit
    return ""


def _commit(repository: Repository, said: "Git", there: dict[str, str] | None = None) -> str:
    ref = re.sub(r"^HEAD(?=[~^@])", there["HEAD"], said.ref) if there and "HEAD" in there else said.ref  # not the mirror's own
    try:
        found = repository.tried("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        return found.decode().strip()
    except GitFailed as error:
        if there is None:
            there = dict.fromkeys(repository.run("for-each-ref", "--format=%(refname)").decode("utf-8", "replace").split(), "")
        names = sorted({re.sub(r"^refs/(heads|tags)/", "", ref) for ref in there if not ref.endswith("^{}")} - {"HEAD"})
        near = get_close_matches(said.ref, names, n=3, cutoff=0.5) or names[:3]
        raise CorpusError(
            f"source {repository.source}: {masked(said.repository)} has no branch, tag or commit {said.ref}; "
            f"there is {', '.join(near) or 'none at all'}"
        ) from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One fetch into a mirror at a time, whichever process wants it."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
