"""Durations and tags of tracks from Last.fm (`track.getInfo`), asked for by artist and title; it goes on where it stopped.

Every answer is appended to `OUT.partial`, a JSON object a line, before the next question is put. Interrupted, killed or given
up, the same command asks only for what is not there yet. Once every track was asked for, OUT is written and renamed.

OUT is a table that `segue ingest --tracks` joins. Its duration is in s, as people once sent it to Last.fm: mostly right to the
second, missing for half of what few people listen to, and here and there another version's. Tags are what listeners call a
track. `listeners` and `playcount` are of the day of asking, after the plays; `--tracks` does not take them.

The key is read from a file or from the environment, sent to Last.fm and to nobody else, and never printed. Last.fm asks for no
more than five questions a second and for reasonable use: https://www.last.fm/api/tos.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import segue
from segue.datasets import attributes
from segue.errors import AskedWrongly, BadInput
from segue.track_table import free, number

HOME = "https://ws.audioscrobbler.com/2.0/"
KEY = "LASTFM_API_KEY"  # where the environment has it
COLUMNS = (
    "track_id",
    "artist",
    "title",
    "duration",
    "tags",
    "listeners",
    "playcount",
    "found",
    "lastfm_artist",
    "lastfm_title",
)
FASTEST = 5.0  # questions a second
TRIES = 6  # of one question; the pause before each is twice the last one
MOST_TRACKS_FAILED = 3  # in a row: then nothing will come of going on
_NOT_FOUND = {6, 7}
_LATER = {8, 11, 16, 29}
_KEY_REFUSED = {4: "no permission", 9: "invalid session", 10: "invalid", 13: "invalid signature", 14: "not authorised",
                17: "needs a login", 26: "suspended"}  # fmt: skip
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _TIMEOUT_S = 1.0, 60.0, 20.0
_LONGEST_ANSWER = 1 << 22
_LONGEST_S = attributes.ATTRIBUTES["duration"].high
Progress = Callable[[int, int, str], None]
Query = tuple[str, str]  # artist and title, as the table has them


class Reply(NamedTuple):
    """What came back: the HTTP status, 0 where nothing did and `body` says why; and how long we were asked to wait."""

    status: int
    body: bytes
    wait_s: float = 0


Fetch = Callable[[str], Reply]


class NoAnswer(Exception):
    """Nothing that could be understood, after all tries."""


def fetch(url: str, timeout_s: float = _TIMEOUT_S) -> Reply:
    """One question over HTTP; whatever goes wrong is a reply, too."""
    request = urllib.request.Request(url, headers={"User-Agent": f"segue/{segue.__version__} (track lookup)"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return Reply(answer.status, answer.read(_LONGEST_ANSWER))
    except urllib.error.HTTPError as refused:
        after = refused.headers.get("Retry-After") or ""
        try:
            body = refused.read(_LONGEST_ANSWER)
        except (OSError, HTTPException):
            body = b""
        return Reply(refused.code, body, float(after) if after.isdecimal() else 0)
    except (OSError, HTTPException) as cause:  # no network, no such host, a timeout, a connection cut
        reason = getattr(cause, "reason", None) or cause
        return Reply(0, (str(reason) or type(cause).__name__).encode("utf-8", "replace"))


def key_from(file: str | Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """The API key.

    Raises
    ------
    AskedWrongly : there is none
    """
    if file is None:
        found, where = environment.get(KEY, ""), KEY
        if not found.strip():
            raise AskedWrongly(
                f"no key for Last.fm: write yours into a file and give --key-file FILE, or set {KEY} "
                "(a key is made at https://www.last.fm/api/account/create)"
            )
    else:
        where = str(file)
        try:
            found = Path(file).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as cause:
            said = getattr(cause, "strerror", None) or "not text"
            raise AskedWrongly(
                f"--key-file {file} cannot be read ({said}): give the file that holds your Last.fm key"
            ) from None
    if not re.fullmatch(r"[0-9a-fA-F]{32}", found.strip()):
        raise AskedWrongly(f"{where} holds no Last.fm key: expected 32 characters 0–9 and a–f, and nothing else")
    return found.strip()


def lookup(
    tracks: str | Path, out: str | Path, key: str, *,
    rate: float = 4.0, overwrite: bool = False, progress: Progress = lambda done, n, name: None,
    ask: Fetch | None = None, home: str = HOME, sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:  # fmt: skip
    """Ask Last.fm for every track of a table (`segue tracks`) and write what it knows; what was asked and found.

    Parameters
    ----------
    rate : questions a second, at most
    ask, home, sleep, clock : what it does it by; tests give others

    Raises
    ------
    AskedWrongly : the table, the target or the rate will not do
    BadInput : the key is refused, or Last.fm does not answer; what was answered is kept
    """
    if not 0 < rate <= FASTEST:
        raise AskedWrongly(f"--rate {rate:g}: expected more than 0 and no more than {FASTEST:g} questions a second")
    target = free(out, overwrite, ",".join(COLUMNS))
    partial = target.with_name(target.name + ".partial")
    wanted, n_nameless = _wanted(Path(tracks).expanduser())
    queries = list(dict.fromkeys((artist, title) for _, artist, title in wanted))
    known = _resume(partial)
    n_known = sum(query in known for query in queries)
    asking = _Asking(ask or fetch, home, key, 1 / rate, sleep or time.sleep, clock)
    failed: dict[Query, str] = {}
    in_a_row = 0
    with partial.open("a", encoding="utf-8") as log:
        for n, query in enumerate(queries):
            if query in known:
                continue
            progress(n, len(queries), " · ".join(query))
            try:
                answer = asking.of(query)
            except NoAnswer as cause:
                failed[query] = str(cause)
                in_a_row += 1
                if in_a_row == min(MOST_TRACKS_FAILED, len(queries) - n_known):
                    raise BadInput(f"Last.fm does not answer ({cause}): {len(known)} answers are kept in {partial}; run the same "
                                   "again, and it goes on from there") from None  # fmt: skip
                continue
            in_a_row = 0
            log.write(json.dumps({"artist": query[0], "title": query[1], **answer}, ensure_ascii=False) + "\n")
            log.flush()
            known[query] = answer
    _write(target, wanted, known)
    if not failed:
        partial.unlink()
    found = [known[query] for query in queries if query in known and known[query]["found"]]
    return {
        "path": str(target), "tracks": len(wanted), "asked": len(queries), "known_before": n_known, "found": len(found),
        "with_duration": sum(answer["duration"] is not None for answer in found),
        "with_tags": sum(bool(answer["tags"]) for answer in found),
        "not_found": len(queries) - len(found) - len(failed), "no_answer": len(failed), "without_names": n_nameless,
        "first_failure": next((f"{' · '.join(query)}: {why}" for query, why in failed.items()), None),
    }  # fmt: skip


class _Asking:
    """Questions to Last.fm, no faster than agreed, each put again for as long as that may help."""

    def __init__(self, ask: Fetch, home: str, key: str, apart_s: float, sleep: Any, clock: Any) -> None:
        self._ask, self._home, self._key, self._apart_s, self._sleep, self._clock = (
            ask,
            home,
            key,
            apart_s,
            sleep,
            clock,
        )
        self._next = float("-inf")

    def of(self, query: Query) -> dict[str, Any]:
        asked = {"method": "track.getInfo", "api_key": self._key, "artist": query[0], "track": query[1], "autocorrect": "1",
                 "format": "json"}  # fmt: skip
        url = f"{self._home}?{urllib.parse.urlencode(asked)}"
        pause, why = _FIRST_PAUSE_S, ""
        for n in range(TRIES):
            if n:
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            now = self._clock()
            if now < self._next:
                self._sleep(self._next - now)
            self._next = max(now, self._next) + self._apart_s
            reply = self._ask(url)
            pause = max(pause, min(reply.wait_s, _LONGEST_PAUSE_S))
            answer = read(reply)
            if isinstance(answer, dict):
                return answer
            why = answer
        raise NoAnswer(f"{why}; {TRIES} tries")


def read(reply: Reply) -> dict[str, Any] | str:
    """What Last.fm says of a track; or why it is worth asking again.

    Raises
    ------
    BadInput : asking again will not help, for the key is refused
    """
    if not reply.status:
        return " ".join(reply.body.decode("utf-8", "replace").split())[:200]
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return f"HTTP status {reply.status}, and no JSON"
    code = said.get("error") if isinstance(said, dict) else None
    code = int(code) if isinstance(code, str) and code.isdecimal() else code
    if code in _KEY_REFUSED:
        raise BadInput(
            f"Last.fm refuses the key ({_KEY_REFUSED[code]}, error {code}): see https://www.last.fm/api/accounts for yours; what "
            "was answered so far is kept, run the same again with a key that is valid"
        )
    if code in _NOT_FOUND:
        return _answer({}, found=False)
    if code is not None:
        return f"error {code}{', which passes' if code in _LATER else ''}"
    track = said.get("track") if isinstance(said, dict) else None
    if reply.status >= 400 or not isinstance(track, dict):
        return f"HTTP status {reply.status}, and no track"
    return _answer(track, found=True)


def _answer(track: dict[str, Any], found: bool) -> dict[str, Any]:
    artist, top = track.get("artist"), track.get("toptags")
    tags = top.get("tag") if isinstance(top, dict) else None
    tags = (
        [tags] if isinstance(tags, dict) else tags if isinstance(tags, list) else []
    )  # one alone comes without a list
    named = [_text(tag.get("name")) for tag in tags if isinstance(tag, dict)]
    ms = _count(track.get("duration"))
    return {
        "found": found, "duration": ms / 1000 if ms and ms <= 1000 * _LONGEST_S else None,
        "tags": [" ".join(name.split()).replace(";", ",") for name in named if name and name.strip()],
        "listeners": _count(track.get("listeners")), "playcount": _count(track.get("playcount")),
        "lastfm_artist": _text(artist.get("name") if isinstance(artist, dict) else artist),
        "lastfm_title": _text(track.get("name")),
    }  # fmt: skip


def _text(value: Any) -> str | None:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    """A number, which Last.fm writes as a text; None where it is none."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _wanted(path: Path) -> tuple[list[tuple[str | None, str, str]], int]:
    """(id, artist, title) of each row that has both names; and how many have not.

    Raises
    ------
    AskedWrongly : it is no table of tracks
    """
    how = "expected a CSV file with columns artist and title, as segue tracks LIBRARY -o tracks.csv writes it"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        raise AskedWrongly(f"{path} cannot be read ({cause.strerror}): {how}") from None
    except UnicodeDecodeError as cause:
        raise AskedWrongly(f"{path}: byte {cause.start} is not UTF-8; {how}") from None
    rows = _csv(path, text, how)
    at = attributes.roles(next(rows, []))
    if not {"artist", "title"} <= set(at):
        raise AskedWrongly(f"{path} names no artist and title: {how}")
    wanted, n_nameless = [], 0
    for row in rows:
        told = {role: row[place].strip() if place < len(row) else "" for role, place in at.items()}
        if told["artist"] and told["title"]:
            wanted.append((told.get("id") or None, told["artist"], told["title"]))
        else:
            n_nameless += bool(row)
    return wanted, n_nameless


def _csv(path: Path, text: str, how: str) -> Iterator[list[str]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from rows
    except csv.Error as cause:
        raise AskedWrongly(f"{path} line {rows.line_num}: no CSV ({cause}); {how}") from None


def _resume(partial: Path) -> dict[Query, dict[str, Any]]:
    """The answers of an earlier run; a line that was cut short is asked for again."""
    try:
        raw = partial.read_bytes()
    except FileNotFoundError:
        return {}
    known, whole = {}, []
    for line in raw.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            continue
        try:
            told = json.loads(line)
            query = (told.pop("artist"), told.pop("title"))
            if set(told) != set(_answer({}, found=False)) or not all(isinstance(name, str) for name in query):
                continue
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
        known[query] = told
        whole.append(line)
    if b"".join(whole) != raw:
        aside = partial.with_name(partial.name + ".tmp")
        aside.write_bytes(b"".join(whole))
        os.replace(aside, partial)
    return known


def _write(target: Path, wanted: Iterable[tuple[str | None, str, str]], known: Mapping[Query, dict[str, Any]]) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="") as text:
            written = csv.writer(text)
            written.writerow(COLUMNS)
            for identity, artist, title in wanted:
                told = known.get((artist, title))
                if told is None:
                    written.writerow([identity, artist, title, "", "", "", "", "no answer", "", ""])
                    continue
                written.writerow([
                    identity, artist, title, number(told["duration"]), ";".join(told["tags"]), told["listeners"],
                    told["playcount"], "yes" if told["found"] else "no", told["lastfm_artist"], told["lastfm_title"],
                ])  # fmt: skip
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
