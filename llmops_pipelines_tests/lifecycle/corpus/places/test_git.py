"""Git repositories: what is committed at a ref, from a folder or a mirror; nothing of a repository is executed."""

import os
import subprocess
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from llmops_pipelines.lifecycle.corpus.places import git, repository
from llmops_pipelines.lifecycle.corpus.sources import CorpusError, UnreadableFile

from .looking import Looking, source, stamps, uris

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"


class Written:
    """A repository that a test writes."""

    def __init__(self, folder) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
        done = subprocess.run(["git", *who, *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_md", ".md")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def written(tmp_path) -> Written:
    made = Written(tmp_path / "repository")
    made.commit(a_md="one", deep__b_md="two")
    return made


def said(tmp_path, repository="repository", ref="HEAD", **words):
    return source(tmp_path, git={"repository": repository, "ref": ref}, **words)


def contents(listing) -> dict[str, bytes]:
    return {found.uri: found.read() for found in listing.files}


@pytest.fixture(params=["folder", "mirror"])
def where(request, tmp_path, written) -> str:
    return "repository" if request.param == "folder" else f"file://{written.folder}"


def test_only_committed_files_of_the_ref_are_read(tmp_path, written, where):
    (written.folder / "a.md").write_text("not committed")
    (written.folder / "c.md").write_text("not committed")
    looking = Looking(tmp_path)
    listing = looking.look(said(tmp_path, where))
    assert contents(listing) == {"a.md": b"one", "deep/b.md": b"two"}
    assert all(found.settled for found in listing.files)
    assert listing.state == {"commit": written.git("rev-parse", "HEAD")}
    written.commit(a_md="new")
    second = looking.look(said(tmp_path, where))
    assert contents(second) == {"a.md": b"new", "c.md": b"not committed", "deep/b.md": b"two"}
    assert stamps(second)["deep/b.md"] == stamps(listing)["deep/b.md"]
    assert uris(looking.look(said(tmp_path, where, include=["deep/*"]))) == ["deep/b.md"]


def test_a_ref_is_a_branch_a_tag_or_a_commit(tmp_path, written, where):
    first = written.git("rev-parse", "HEAD")
    written.git("tag", "--annotate", "v1", "--message", "x")
    written.git("branch", "old")
    written.commit(a_md="new")
    looking = Looking(tmp_path)
    for ref in ("v1", "old", first, first[:10], "HEAD~1", "refs/heads/old", "main~1"):
        assert contents(looking.look(said(tmp_path, where, ref)))["a.md"] == b"one", ref
    assert contents(looking.look(said(tmp_path, where, "main")))["a.md"] == b"new"


def test_a_missing_ref_names_near_ones(tmp_path, written, where):
    written.git("branch", "release-2024")
    with pytest.raises(CorpusError, match=r"no branch, tag or commit release-2042; there is release-2024") as stopped:
        Looking(tmp_path).look(said(tmp_path, where, "release-2042"))
    assert "\n" not in str(stopped.value)
    with pytest.raises(CorpusError, match="no branch, tag or commit 0000000000000000000000000000000000000000"):
        Looking(tmp_path).look(said(tmp_path, where, "0" * 40))


@pytest.mark.parametrize("ref", ["--upload-pack=touch /tmp/x", "-h"])
def test_a_ref_or_repository_cannot_be_an_option(tmp_path, written, ref):
    with pytest.raises(CorpusError, match="cannot start with '-'"):
        Looking(tmp_path).look(said(tmp_path, ref=ref))
    with pytest.raises(CorpusError, match="cannot start with '-'"):
        Looking(tmp_path).look(said(tmp_path, ref))


def test_links_and_submodules_are_counted_and_lfs_pointers_are_unreadable(tmp_path, written):
    (written.folder / "link.md").symlink_to("/etc/passwd")
    (written.folder / "large.md").write_text(POINTER)
    other = Written(tmp_path / "other")
    other.commit(c_md="three")
    written.git("submodule", "--quiet", "add", str(other.folder), "inner")
    written.commit()
    listing = Looking(tmp_path).look(said(tmp_path, include=["**/*.md", "inner"]))
    assert listing.counts == {"links_not_followed": 1, "submodules_not_followed": 1, "hidden_left_out": 1}
    assert uris(listing) == ["a.md", "deep/b.md", "large.md"]
    with pytest.raises(UnreadableFile, match="pointer of Git LFS"):
        listing.files[2].read()


def test_many_readers_share_one_git_process_and_a_broken_one_is_started_again(tmp_path, written, monkeypatch):
    written.commit(**{f"file{number}_md": f"text {number}\n\n" for number in range(50)})
    started = []
    real = repository.Repository.start
    monkeypatch.setattr(repository.Repository, "start", lambda *a: started.append(real(*a)) or started[-1])
    listing = Looking(tmp_path).look(said(tmp_path, include=["file*"]))
    with ThreadPoolExecutor(8) as readers:
        texts = list(readers.map(lambda found: found.read(), listing.files))
    assert sorted(texts) == sorted(f"text {number}\n\n".encode() for number in range(50))
    assert len(started) == 1
    started[0].kill()
    started[0].wait()
    assert listing.files[0].read().startswith(b"text")
    assert len(started) == 2
    monkeypatch.setattr(git, "LARGEST", 3)
    with pytest.raises(UnreadableFile, match="8 bytes are more than 3"):
        listing.files[0].read()
    monkeypatch.undo()
    assert listing.files[0].read().startswith(b"text")
    del listing
    assert all(process.poll() is not None for process in started)


def test_names_of_bytes_and_paths_that_lead_outside_are_only_names(tmp_path, written):
    blob = written.git("rev-parse", "HEAD:a.md")
    evil = subprocess.run(
        ["git", "mktree", "-z"],
        cwd=written.folder,
        input=f"100644 blob {blob}\tcaf".encode() + b"\xe9.md\0",
        capture_output=True,
    ).stdout.decode()
    up = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        cwd=written.folder,
        input=b"40000 ..\0" + bytes.fromhex(evil.strip()),
        capture_output=True,
    ).stdout.decode()
    commit = written.git("commit-tree", up.strip(), "-m", "x")
    assert contents(Looking(tmp_path).look(said(tmp_path, ref=commit, include=["../*"]))) == {"../caf\\xe9.md": b"one"}
    assert Looking(tmp_path).look(said(tmp_path, ref=commit)).counts["hidden_left_out"] == 1


def test_hooks_monitors_and_helpers_of_a_repository_are_not_run(tmp_path, written):
    proof = tmp_path / "proof"
    program = written.folder / ".git/hooks/run"
    program.write_text(f"#!/bin/sh\ntouch {proof}\n")
    program.chmod(0o755)
    for setting in ("core.fsmonitor", "core.sshCommand", "credential.helper", "core.pager", "diff.external", "core.askPass"):
        written.git("config", setting, str(program))
    for hook in ("reference-transaction", "post-checkout", "pre-auto-gc", "post-index-change"):
        (written.folder / ".git/hooks" / hook).symlink_to("run")
    for where in ("repository", f"file://{written.folder}"):
        assert contents(Looking(tmp_path).look(said(tmp_path, where)))["a.md"] == b"one"
    assert not proof.exists()


@pytest.mark.parametrize("address", ["ext::sh -c touch% proof", "git://127.0.0.1:1/x", "http://127.0.0.1:1/x"])
def test_other_protocols_are_refused(tmp_path, address, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="transport '?.*not allowed|does not exist"):
        Looking(tmp_path).look(said(tmp_path, address))
    assert not (tmp_path / "proof").exists()


def test_a_repository_that_is_not_there_stops_without_showing_a_password(tmp_path):
    with pytest.raises(CorpusError, match=r"repository .*nowhere does not exist"):
        Looking(tmp_path).look(said(tmp_path, "nowhere"))
    with pytest.raises(CorpusError, match="cannot be fetched") as stopped:
        Looking(tmp_path).look(said(tmp_path, "https://me:secret@127.0.0.1:1/x.git"))
    assert "secret" not in str(stopped.value) and "https://127.0.0.1:1/x.git" in str(stopped.value)


def test_no_password_is_in_the_trace_of_a_git_that_does_not_answer(tmp_path, monkeypatch):
    def slow(command, **_):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(repository.subprocess, "run", slow)
    address = "https://me:geheim@127.0.0.1:1/x.git"
    for ref, message in (("main", "no answer in 120 seconds"), ("-h", "cannot start with '-'")):
        with pytest.raises(CorpusError, match=message) as stopped:
            Looking(tmp_path).look(said(tmp_path, address, ref))
        assert "geheim" not in "".join(traceback.format_exception(stopped.value))


def test_an_unchanged_address_is_asked_and_not_fetched(tmp_path, written, monkeypatch):
    asked = []
    real = repository.Repository.tried
    monkeypatch.setattr(repository.Repository, "tried", lambda self, *a, **w: asked.append(a[0]) or real(self, *a, **w))
    looking, address = Looking(tmp_path), f"file://{written.folder}"
    looking.look(said(tmp_path, address))
    assert asked.count("fetch") == 1
    looking.look(said(tmp_path, address))
    commit = looking.state["commit"]
    asked.clear()
    looking.look(said(tmp_path, address, commit))
    assert "fetch" not in asked and "ls-remote" not in asked


def test_git_sees_only_the_environment_it_needs(tmp_path, written, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("MY_TOKEN", "secret")
    looking = Looking(tmp_path, HOME=str(tmp_path), MY_TOKEN="secret")
    assert uris(looking.look(said(tmp_path))) == ["a.md", "deep/b.md"]
    environment = repository._environment(looking.secrets.get, protocols="")
    assert environment["HOME"] == str(tmp_path) and "MY_TOKEN" not in environment
    assert environment["GIT_TERMINAL_PROMPT"] == "0" and environment["PATH"] == os.defpath


def test_a_damaged_repository_stops_the_look(tmp_path, written):
    tree = written.git("rev-parse", "HEAD^{tree}")
    broken = written.folder / ".git/objects" / tree[:2] / tree[2:]
    broken.chmod(0o644)
    broken.write_bytes(b"broken")
    with pytest.raises(CorpusError, match="git ls-tree failed"):
        Looking(tmp_path).look(said(tmp_path))


def test_bare_repositories_and_worktrees_are_read(tmp_path, written):
    written.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    written.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    for where in ("bare.git", "tree"):
        assert uris(Looking(tmp_path).look(said(tmp_path, where))) == ["a.md", "deep/b.md"]
