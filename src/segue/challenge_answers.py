"""A submission to the RecSys Challenge 2018: five hundred tracks for each playlist of a challenge set.

    team_info,main,TEAM,EMAIL
    1000003,spotify:track:…,spotify:track:…,…        the likeliest first, none that is told

Rules: the README and `verify_submission.py` that come with the official challenge set, of 2018 and of 2020.
"""

from __future__ import annotations

import gzip
import io
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.challenge_set import ID, Asked, Playlist, playlists
from segue.errors import AskedWrongly, BadInput, in_one_line
from segue.unpacked import open_binary

N_TRACKS = 500
MOST_TOLD = 20  # problems
TRACKS = ("main", "creative")  # of the challenge: with its own data alone, or with other data, too
_TEAM = "team_info"
_FIRST = f"the first line is {_TEAM},main,TEAM,EMAIL"
_URI = re.compile("spotify:track:[0-9A-Za-z]{22}")
_PID = re.compile("0|[1-9][0-9]{0,18}")
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Verified:
    """Whether a submission would be taken. lines = teams + playlists + aside + refused, always."""

    path: Path
    lines: int
    teams: int  # lines that say whose it is: one
    playlists: int  # lines that answer one
    aside: int  # comments and blank lines
    refused: int
    n_problems: int
    problems: tuple[str, ...]  # the first of them
    spotify: bool  # whether tracks must be Spotify's: not where those of the challenge set are made up

    @property
    def ok(self) -> bool:
        return not self.n_problems

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **vars(self), "path": str(self.path), "problems": list(self.problems)}


def write(
    path: str | Path, asked: Asked, uris: Sequence[Sequence[str]], *, team: str = "segue", email: str = "segue@example.org",
    overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write a submission of the main track, gzip'd where its name ends in .gz; aside, and then renamed.

    Parameters
    ----------
    uris : of each playlist, in the order of `asked`, 500 tracks, the likeliest first; none twice, none that is told

    Raises
    ------
    AskedWrongly : something is in the place, or a line cannot hold the team
    BadInput : answers that `verify` would refuse
    """
    target = _free(path, overwrite)
    first = ",".join([_TEAM, TRACKS[0], team, email])
    if flaw := _flaw_of_team(first.split(",")):
        raise AskedWrongly(flaw)
    if len(uris) != len(asked.pids):
        raise BadInput(
            f"answers for {len(uris)} playlists: expected {len(asked.pids)}, one for each that is asked about"
        )
    spotify = _are_spotify(asked.seeds)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with ExitStack() as opened:
            sink: Any = opened.enter_context(aside.open("wb"))
            if target.name.endswith(".gz"):
                sink = opened.enter_context(gzip.GzipFile("", "wb", fileobj=sink, mtime=0))
            sink.write(f"{first}\n".encode())
            for pid, row, seeds in zip(asked.pids, uris, asked.seeds, strict=True):
                if flaws := _flaws(row, frozenset(seeds), spotify):
                    raise BadInput(f"pid {pid}: {flaws[0]}")
                sink.write(f"{pid},{','.join(row)}\n".encode())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    return target


def verify(submission: str | Path, challenge: str | Path) -> Verified:
    """Whether a submission would be taken, by the strictest reading of the rules.

    The first line that is neither a comment nor blank says whose it is: `team_info,main,TEAM,EMAIL` as in 2018 (or creative; or
    the team before the track; no blanks around the track), or `team_info,TEAM,EMAIL` as since 2020. Every playlist of the
    challenge set has one line: its pid and exactly 500 tracks, none twice, none that is told, each `spotify:track:` and 22
    letters or digits. Fields are cut at commas, nothing is quoted, blanks around a field are allowed. A comment begins with #
    at the very start of its line.

    Where a seed of the challenge set is not such a uri, its tracks are made up: then a track is any text without commas,
    quotes and blanks around it.

    Parameters
    ----------
    submission : packed with gzip or not, as its bytes say; one that is called .gz and is none is broken
    challenge : challenge_set.json, or what holds it

    Raises
    ------
    AskedWrongly : there is no such file, or no challenge set
    BadInput : it cannot be unpacked; the challenge set is not what its format promises
    """
    path = Path(submission).expanduser()
    if not path.is_file():
        raise AskedWrongly(
            f"{path}: no such file; give the submission that is to be verified, such as submission.csv.gz"
        )
    check = _Check(playlists(challenge))
    with open_binary(path) as source:
        # lines end as the official script sees them, at \n, \r\n or \r; what is not UTF-8 is found line by line
        for n, line in enumerate(io.TextIOWrapper(source, "utf-8", "surrogateescape", newline=None), 1):
            check.line(n, line.rstrip("\n"))
    return check.verified(path)


class _Check:
    """A submission, looked at line by line."""

    def __init__(self, asked: list[Playlist]) -> None:
        self.spotify = _are_spotify(one.uris for one in asked)
        self._seeds = {str(one.pid): frozenset(one.uris) for one in asked}
        self._answered: dict[str, int] = {}  # pid → line
        self._n = Counter[str]()
        self._begun = ""  # what came first: a team or a playlist
        self._has_team = False
        self._problems: list[str] = []

    def line(self, n: int, text: str) -> None:
        if text.startswith("#") or not text.strip():
            self._n["aside"] += 1
            return
        kind = "teams" if text.startswith(_TEAM) else "playlists"
        flaws = list(self._of_team(text) if kind == "teams" else self._of_playlist(n, text))
        if not text.isascii() and _NOT_UTF8.search(text):
            flaws.append("bytes that are not UTF-8: write the file as UTF-8")
        for flaw in flaws:
            self._problem(f"line {n}: {flaw}")
        self._n["refused" if flaws else kind] += 1
        self._begun = self._begun or kind

    def _of_team(self, text: str) -> Iterator[str]:
        if self._has_team:
            yield f"a second {_TEAM}: expected one, leave this one out"
        elif self._begun:
            yield f"{_TEAM} below a playlist: expected it above all of them, move it there"
        elif flaw := _flaw_of_team(text.split(",")):
            yield flaw
        self._has_team = True

    def _of_playlist(self, n: int, text: str) -> Iterator[str]:
        pid, *row = (field.strip(" \t") for field in text.split(","))
        if not self._begun:
            yield f"begins with {_shown(text)}: {_FIRST}"
        elif text.lstrip().startswith("#"):
            yield "a blank before #: expected a comment to begin at the very start of its line"
        elif not _PID.fullmatch(pid):
            yield f"pid {_shown(pid)}: expected a whole number"
        if not _PID.fullmatch(pid):
            return
        if pid not in self._seeds:
            yield f"pid {pid}: the challenge set has no such playlist, leave it out"
        elif pid in self._answered:
            yield f"pid {pid}: answered in line {self._answered[pid]}, expected each playlist once"
        else:
            self._answered[pid] = n
            yield from (f"pid {pid}: {flaw}" for flaw in _flaws(row, self._seeds[pid], self.spotify))

    def _problem(self, text: str) -> None:
        self._n["problems"] += 1
        if len(self._problems) < MOST_TOLD:
            self._problems.append(text)

    def verified(self, path: Path) -> Verified:
        if not self._begun:
            self._problem(f"it says nothing: {_FIRST}")
        for pid in self._seeds:
            if pid not in self._answered:
                self._problem(f"pid {pid}: not answered, expected a line for each playlist of the challenge set")
        n = self._n
        lines = n["teams"] + n["playlists"] + n["aside"] + n["refused"]
        return Verified(path, lines, n["teams"], n["playlists"], n["aside"], n["refused"], n["problems"],
                        tuple(self._problems), self.spotify)  # fmt: skip


def _flaw_of_team(fields: Sequence[str]) -> str:
    """What is wrong with the line that says whose a submission is; empty where nothing is."""
    tag, *rest = fields
    if tag.rstrip(" \t") != _TEAM:
        return f"begins with {_shown(tag)}: {_FIRST}"
    if len(rest) == 3:
        track = next((i for i in (0, 1) if rest[i] in TRACKS), None)
        if track is None:
            return f"challenge track {_shown(rest[0])}: expected main or creative, without blanks around it"
        del rest[track]
    if len(rest) != 2:
        return f"{_TEAM} has {len(fields)} fields: expected {_TEAM},main,TEAM,EMAIL, and no commas within"
    team, email = (field.strip(" \t") for field in rest)
    if not team.strip() or not team.isprintable():
        return f"team {_shown(team)}: expected a name in one line"
    if not _EMAIL.fullmatch(email):
        return f"contact {_shown(email)}: expected an email address"
    return ""


def _flaws(row: Sequence[str], seeds: Collection[str], spotify: bool) -> list[str]:
    """What is wrong with the answer for one playlist."""
    flaws = []
    if len(row) != N_TRACKS:
        flaws.append(f"{len(row)} tracks: expected exactly {N_TRACKS}")
    if len(set(row)) != len(row):
        again = [uri for uri, n in Counter(row).items() if n > 1]
        flaws.append(f"{_some(again)} more than once: expected each once")
    if known := [uri for uri in row if uri in seeds]:
        flaws.append(f"{_some(known)} that the challenge set tells: expected none of those")
    form = _URI if spotify else ID
    if not all(map(form.fullmatch, row)):
        what = "spotify:track: and 22 letters or digits" if spotify else "no commas, quotes and blanks around them"
        flaws.append(f"{_some([uri for uri in row if not form.fullmatch(uri)])} that can be none: expected {what}")
    return flaws


def _some(uris: Sequence[str]) -> str:
    return f"1 track ({_shown(uris[0])})" if len(uris) == 1 else f"{len(uris)} tracks (first {_shown(uris[0])})"


def _shown(text: str) -> str:
    return f"'{in_one_line(text[:60])}'"


def _are_spotify(seeds: Iterable[Iterable[str]]) -> bool:
    """Whether the tracks of a challenge set are Spotify's; so too where it tells of none."""
    return all(_URI.fullmatch(uri) for uris in seeds for uri in uris)


def _free(path: str | Path, overwrite: bool) -> Path:
    """Where a submission may be written: nothing is there, or an older one that may go."""
    target = Path(path).expanduser()
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise AskedWrongly(f"-o {target}: expected a file in a folder that exists, such as submission.csv.gz")
    if not target.exists():
        return target
    if not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    try:
        with open_binary(target) as source:
            is_one = source.read(len(_TEAM)) == _TEAM.encode()
    except BadInput:
        is_one = False
    if not is_one:
        raise AskedWrongly(f"{target} is not a submission, --overwrite would delete what it holds: choose another -o")
    return target
