"""Object stores and other file systems by address (s3://, gs://, abfs://), through fsspec. Drivers know their own credentials.

A stamp is made of what the store tells of an object for free: etag, version, time, size.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ..sources import CorpusError, Found, Listing, UnreadableFile, printable
from .folder import FILE_SCHEME
from .patterns import Patterns, split_glob, suffix

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from llmops_pipelines.config.documents import Source

READ_ATTEMPTS = 3
SETTLED_SECONDS = 2
IDENTITIES = ("etag", "versionid", "version_id", "generation", "md5hash", "content_md5", "crc32c", "checksum")
TIMES = ("lastmodified", "last_modified", "mtime", "modified", "updated", "created")
DRIVERS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "oss": "ossfs"} | dict.fromkeys(
    ("abfs", "abfss", "az", "adl"), "adlfs"
)
SIGNED = re.compile(r"(?i)((?<![\w-])[\w-]*(?:sig|signature|token|secret|password|credential)=)[^&\s]+")
ELSEWHERE = {"http": "web", "https": "web", "git": "git", "github": "git"}  # these have words and safety rules of their own


def is_remote(path: str | None) -> bool:
    return path is not None and "://" in path and not path.startswith(FILE_SCHEME)


def masked(address: str) -> str:
    """The address without a user name, a password or a signature in it."""
    return SIGNED.sub(r"\1***", re.sub(r"://[^/\s]*@", "://", address))


def look(source: "Source") -> Listing:
    """Every object below the address that the source's patterns take."""
    root, beside = split_glob(source.path or "")
    where = masked(source.path or "")
    system = _system(source.name, root, where)
    counts = {"links_not_followed": 0, "not_regular_files": 0, "hidden_left_out": 0}
    patterns = Patterns.of(source, beside)
    try:
        system.invalidate_cache()
        top = system._strip_protocol(root)
        files = list(_files(source.name, system, top, patterns, counts))
    except Exception as error:  # every driver has its own errors, and each of them means that the listing is not whole
        raise CorpusError(
            f"source {source.name}: {where} cannot be listed completely ({_cause(error)}); "
            "nothing was changed, mend the access and run again"
        ) from None  # here and below: the error of a driver may hold the address with its password
    if any(found.uri.startswith("_delta_log/") for found in files):
        raise CorpusError(f"source {source.name}: {where} is a Delta table; say columns: which is the id, which the text")
    return Listing(tuple(files), counts)


def _system(name: str, address: str, where: str) -> "AbstractFileSystem":
    import fsspec

    protocol = address.partition("://")[0]
    if "::" in where:
        raise CorpusError(f"source {name}: {where} is a chain of addresses; name the one folder that holds the files")
    if word := ELSEWHERE.get(protocol):
        raise CorpusError(f"source {name}: {where} cannot be read as a path; use {word}: instead of path:")
    try:
        return fsspec.core.url_to_fs(address, skip_instance_cache=True, use_listings_cache=False)[0]
    except ImportError as error:
        driver = DRIVERS.get(protocol, _cause(error))
        raise CorpusError(f"source {name}: {protocol}:// needs a package that is not installed; pip install {driver}") from None
    except Exception as error:
        raise CorpusError(
            f"source {name}: {where} cannot be opened ({_cause(error)}); mend the address or its access"
        ) from None


def _files(name: str, system: "AbstractFileSystem", top: str, patterns: Patterns, counts: dict[str, int]) -> Iterator[Found]:
    for key, info in _entries(system, top):
        inside = key.removeprefix(top).lstrip("/") or key.rpartition("/")[2]
        uri = printable(inside)
        named = replace(patterns, hidden_too=True) if key == top else patterns  # the address is that of one object
        if inside.endswith("/") or not named.take(uri):  # stores keep such names for empty folders
            counts["hidden_left_out"] += named.hides(uri)
            continue
        if info.get("islink") or info.get("type") == "link":
            counts["links_not_followed"] += 1
        elif info.get("type") != "file":
            counts["not_regular_files"] += 1
        else:
            stamp, settled = _stamp(info)
            read = partial(read_steady, system, key, stamp)
            size = info.get("size")
            yield Found(name, uri, -1 if size is None else size, stamp, settled, read, False, suffix(uri))


def _entries(system: "AbstractFileSystem", top: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stores list flat, in few requests. fsspec's walk is not used: it leaves out, silently, what it may not read."""
    if _lists_flat(system):
        yield from system.find(top, detail=True).items()
        return
    if system.isfile(top):
        yield top, system.info(top)
        return
    folders = [top]
    while folders:
        folder = folders.pop()
        for info in system.ls(folder, detail=True):
            if info["name"].strip("/") == folder.strip("/"):
                continue
            if info["type"] == "directory" and not info.get("islink"):
                folders.append(info["name"])
            else:
                yield info["name"], info


def _lists_flat(system: "AbstractFileSystem") -> bool:
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    kind = type(system)
    if isinstance(system, AsyncFileSystem):
        return kind._find is not AsyncFileSystem._find
    return kind.find is not AbstractFileSystem.find


def _stamp(info: dict[str, Any]) -> tuple[str, bool]:
    """What tells one content from the next, and whether that can be trusted already."""
    said = {name.lower(): value for name, value in info.items() if value not in (None, "")}
    identities = [f"{name}={said[name]}" for name in IDENTITIES if name in said]
    times = [said[name] for name in TIMES if name in said]
    seconds = [_seconds(moment) for moment in times]
    stamp = " ".join([f"size={info.get('size')}", *identities, *(f"{moment:.6f}" for moment in seconds)])
    return stamp, bool(identities) or (bool(seconds) and time.time() - max(seconds) >= SETTLED_SECONDS)


def _seconds(moment: object) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, int | float):
        return float(moment)
    return datetime.fromisoformat(str(moment)).timestamp()


def read_steady(system: "AbstractFileSystem", key: str, listed: str) -> bytes:
    """The bytes of the object as they were at one moment: its stamp is the same before and after."""
    before = listed
    for _ in range(READ_ATTEMPTS):
        try:
            data = system.cat_file(key)
            info = system.info(key)
            after = _stamp(info)[0]
        except Exception as error:  # as above
            raise UnreadableFile(_cause(error)) from None
        if after == before and len(data) == info.get("size", len(data)):
            return data
        before = after
    raise UnreadableFile("changes while it is read")


def _cause(error: BaseException) -> str:
    said = masked(" ".join(str(error).split()))
    return said[:200] if said else type(error).__name__
