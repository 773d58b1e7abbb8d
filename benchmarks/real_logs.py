"""Every folder of real logs, ingested by its source: are the sums those of the files, and what became of each known defect?

    python benchmarks/real_logs.py          folder | source | rows in the files | kept | set aside | rejected | sums equal? | …

The logs are those of $SEGUE_DATA (or ../shared/data); nothing of them is printed but counts. What the files hold is counted by
plain Python, never by Segue: lines, cells of CSV, records of JSON. A defect has one number by each of the two, which must be the
same. tests/test_real_logs.py holds both.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import segue
from segue.library import Library

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[2] / "shared" / "data"))
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@dataclass(frozen=True)
class Defect:
    """Something known to be wrong with some logs: how often by plain Python, how often by Segue, and what it did."""

    what: str
    in_files: int
    by_segue: int
    how: str

    @property
    def is_equal(self) -> bool:
        return self.in_files == self.by_segue


@dataclass(frozen=True)
class Case:
    """Some logs, how many rows they hold, and what is known to be wrong with them."""

    place: str
    source: str
    rows: Callable[[Path], int]
    defects: Callable[[Path, Library], Iterable[Defect]]
    tracks: str = ""  # tables of track attributes to be joined


@dataclass(frozen=True)
class Outcome:
    """What became of them."""

    case: Case
    rows: int
    manifest: dict[str, Any]
    defects: list[Defect]
    seconds: float

    @property
    def rejected(self) -> int:
        return sum(self.manifest["rejected"].values())

    @property
    def set_aside(self) -> int:
        return sum(self.manifest["set_aside"].values())

    @property
    def is_equal(self) -> bool:
        m = self.manifest
        return self.rows == m["rows_in"] == m["kept"] + self.set_aside + self.rejected


def outcome_of(case: Case, data: Path, folder: Path) -> Outcome:
    """Ingest one case into a folder, and count."""
    started = time.perf_counter()
    tracks = [data / case.tracks] if case.tracks else []
    library = segue.ingest(case.source, data / case.place, folder, tracks=tracks)
    seconds = time.perf_counter() - started
    return Outcome(
        case, case.rows(data / case.place), library.manifest, list(case.defects(data / case.place, library)), seconds
    )


# ── counted by plain Python ─────────────────────────────────────────────────────────────────────────────────────────


def files(place: Path, *endings: str) -> list[Path]:
    return sorted(
        p for p in (place.rglob("*") if place.is_dir() else [place]) if p.is_file() and p.name.endswith(endings)
    )


@cache
def json_lists(place: Path) -> dict[Path, list[dict[str, Any]]]:
    """The records of each JSON list."""
    return {path: json.loads(path.read_text(encoding="utf-8")) for path in files(place, ".json")}


def n_records(place: Path) -> int:
    return sum(map(len, json_lists(place).values()))


def tables(place: Path, *endings: str) -> Iterator[list[dict[str, str]]]:
    """The rows of each CSV, by the names in its first line."""
    for path in files(place, *endings):
        with path.open(encoding="utf-8-sig", newline="") as source:
            yield list(csv.DictReader(source))


def mssd_rows(place: Path) -> list[dict[str, str]]:
    return [row for rows in tables(place, ".csv") for row in rows if "skip_2" in row]


@cache
def playlists(path: Path) -> tuple[list[dict[str, Any]], bool]:
    """The whole playlists of a slice, one after the other, and whether it breaks off."""
    text, decoder, found = path.read_text(encoding="utf-8"), json.JSONDecoder(), []
    at = text.index("[", text.index('"playlists"')) + 1
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()  # type: ignore[union-attr]
        if text[at : at + 1] == "]":
            return found, False
        try:
            one, at = decoder.raw_decode(text, at)
        except ValueError:
            return found, True
        found.append(one)


def every_playlist(place: Path) -> Iterator[dict[str, Any]]:
    for path in files(place, ".json", ".truncated"):
        yield from playlists(path)[0]


def mpd_rows(place: Path) -> int:
    return sum(len(p["tracks"]) for p in every_playlist(place)) + sum(
        playlists(f)[1] for f in files(place, ".truncated")
    )


def scrobbles(place: Path) -> list[dict[str, str]]:
    return [row for rows in tables(place, ".csv") for row in rows]


def lastfm_lines(place: Path) -> list[list[str]]:
    log = place / "userid-timestamp-artid-artname-traid-traname.tsv"
    return [line.split("\t") for line in log.read_text(encoding="utf-8").split("\n") if line]


def lastfm_profiles(place: Path) -> list[list[str]]:
    return [
        line.split("\t") for line in (place / "userid-profile.tsv").read_text(encoding="utf-8").split("\n")[1:] if line
    ]


def plain(name: str) -> str:
    """A name as our rule of identity has it, said once more."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def n_again(values: Iterable[Any]) -> int:
    """How many of them were there before."""
    return sum(n - 1 for n in Counter(values).values())


def n_back(values: Iterable[Any]) -> int:
    """How many lie before the one above them."""
    return sum(later < earlier for earlier, later in pairwise(values))


def history_plays(place: Path) -> dict[Path, list[dict[str, Any]]]:
    """Each listener's plays of tracks, told once, in the order of their ends; of those of one second the longest first."""
    found: dict[Path, dict[Any, dict[str, Any]]] = {}
    for path, records in json_lists(place).items():
        for r in records:
            if r["spotify_track_uri"]:
                told = tuple(r.get(c) for c in ("ts", "spotify_track_uri", "ms_played", "reason_start", "reason_end"))
                found.setdefault(path.parent, {}).setdefault(told, r)
    return {who: sorted(plays.values(), key=lambda r: (ms(r["ts"]), -r["ms_played"])) for who, plays in found.items()}


def recorded_start(record: dict[str, Any]) -> int | None:
    stamp = record.get("offline_timestamp") or 0
    start = int(stamp * 1000 if stamp < 1e11 else stamp)
    return start if 0 < start <= ms(record["ts"]) + HOUR_MS else None


def n_sessions(plays: list[dict[str, Any]]) -> int:
    """Silences of more than half an hour between an end and the next start, and one."""
    n, quiet_since = 0, None
    for record in plays:
        end = ms(record["ts"])
        start = recorded_start(record)
        began = min(end - record["ms_played"] if start is None else start, end)
        n += quiet_since is None or began - quiet_since > 30 * MINUTE_MS
        quiet_since = max(end, quiet_since or 0)
    return n


# ── counted by Segue ────────────────────────────────────────────────────────────────────────────────────────────────


def column(library: Library, *names: str) -> list[Any]:
    """Of every play, in the library's order."""
    rows = [tuple(row.values()) for plays in library.plays(list(names)) for row in plays.to_pylist()]
    return [row[0] for row in rows] if len(names) == 1 else rows


def n_unknown(library: Library, name: str) -> int:
    return sum(value is None for value in column(library, name))


def n_sorted(library: Library, clock: str, n: int) -> int:
    """n, less every play that lies before the listener's one before it."""
    told = [row for row in column(library, "listener", clock) if row[1] is not None]
    return n - sum(b[1] < a[1] for a, b in pairwise(told) if a[0] == b[0])


# ── the cases ───────────────────────────────────────────────────────────────────────────────────────────────────────


def of_mssd(place: Path, library: Library) -> Iterator[Defect]:
    short = sum(bool(re.fullmatch(r"\d\d-\d\d-\d\d", row["date"])) for row in mssd_rows(place))
    days = column(library, "day")
    yield Defect("dates written 15-07-18", short, days.count(date(2018, 7, 15)), "read as day, month, year")
    iso = sum(bool(re.fullmatch(r"\d{4}-\d\d-\d\d", row["date"])) for row in mssd_rows(place))
    yield Defect("dates written 2018-08-22", iso, len(days) - days.count(date(2018, 7, 15)), "read as ISO dates")
    no_log = [p.name for p in files(place, "") if not (p.name.endswith(".csv") and p.name.startswith(("log_", "tf_")))]
    yield Defect("files with labels only, or statistics", len(no_log),
                 len(set(no_log) & set(library.manifest["passed_over"])), "passed over, each named")  # fmt: skip


def of_mpd(place: Path, library: Library) -> Iterator[Defect]:
    whole = list(every_playlist(place))
    tracks = [t for p in whole for t in p["tracks"]]
    told = column(library, "session_id", "position")
    last, n = dict(sorted(told)), Counter(name for name, _ in told)
    ids = Counter(p["pid"] for p in whole)
    said = "playlist ids" if all("modified_at" in p for p in whole) else "playlist ids renumbered"
    yield Defect(f"{said}: all different", len(ids), library.manifest["sessions"], "a session each, by its id")
    lacking = sum("pos" not in t for t in tracks)
    if lacking:
        in_order = sum(n[name] for name in n if last[name] == n[name])
        yield Defect("tracks without pos", lacking, in_order, "place in the list, from 1 without a gap")
        yield Defect(
            "tracks without album", sum("album_uri" not in t for t in tracks), n_unknown(library, "album"), "null"
        )
    bare = sum("modified_at" not in p for p in whole)
    if bare:
        yield Defect("playlists without modified_at, collaborative", bare, len(n), "kept: nothing asks for them")
        there = [int(p.name.split(".")[2].split("-")[0]) for p in files(place, ".json")]
        yield Defect(
            "slices that are missing", 1000 - len(there), 1000 - library.manifest["files"], "the others are read"
        )
        at_least = sum(len(p["tracks"]) >= 67 for p in whole)
        yield Defect(
            "biased to long playlists: 67 tracks or more",
            at_least,
            sum(c >= 67 for c in n.values()),
            "kept as they are",
        )
    for table in library.manifest.get("track_tables", ()):
        yield from of_tables(place.parent / "track_tables", {t["track_uri"] for t in tracks}, table, library)
    for path in files(place, ".truncated"):
        cut = sum(count for reason, count in library.manifest["rejected"].items() if "ends or breaks inside" in reason)
        yield Defect(
            "cut off in the middle of a record", int(playlists(path)[1]), cut, "that playlist is one rejected row"
        )
        with tempfile.TemporaryDirectory() as aside:
            told = segue.ingest("mpd", place.parent, Path(aside) / "out").manifest["rejected"]
        yield Defect("tracks of its playlists that the other two files hold, too", _told_again(place.parent),
                     told.get("same playlist", 0), "the folder is read as one: each playlist is kept once")  # fmt: skip


def _told_again(folder: Path) -> int:
    """Tracks of playlists that several files of a folder hold, but for those of the first."""
    seen: set[int] = set()
    again = 0
    for path in sorted(folder.iterdir()):
        for playlist in playlists(path)[0]:
            again += len(playlist["tracks"]) if playlist["pid"] in seen else 0
            seen.add(playlist["pid"])
    return again


def of_tables(place: Path, uris: set[str], told: dict[str, Any], library: Library) -> Iterator[Defect]:
    rows = [row for table in tables(place, ".csv") for row in table]
    known = {row["uri"] for row in rows}
    m = library.manifest
    yield Defect("track_tables: rows", len(rows), told["rows"], "read")
    yield Defect("track_tables: uris that come again", len(rows) - len(known), told["repeated"], "the first row counts")
    rate = f"{m['tracks_matched'] / m['tracks']:.1%} of tracks and {m['plays_matched'] / m['kept']:.1%} of plays have attributes"
    yield Defect("track_tables: uris that were played", len(known & uris), told["by_id"],
                 f"joined by id, and {told['by_name']:,} tracks by artist and title: {rate}")  # fmt: skip


def of_history(place: Path, library: Library) -> Iterator[Defect]:
    m = library.manifest
    every = [r for records in json_lists(place).values() for r in records]
    plays = [r for some in history_plays(place).values() for r in some]
    back = sum(n_back(ms(r["ts"]) for r in records) for records in json_lists(place).values())
    yield Defect(
        "plays that ended before the one above", back, n_sorted(library, "end_ms", back), "sorted by their end"
    )
    silent = [r for r in plays if r.get("skipped") is None]
    unsaid = [r for r in silent if r.get("reason_end") in (None, "", "unknown")]
    yield Defect(f"skipped null in {len(silent):,} plays: and no reason either", len(unsaid), m["unknown_labels"],
                 f"{len(silent) - len(unsaid):,} labelled by reason_end; the others unknown")  # fmt: skip
    nameless = [r for r in every if not r["spotify_track_uri"]]
    podcasts = [r for r in nameless if r.get("spotify_episode_uri") or r.get("episode_name")]
    yield Defect("podcasts", len(podcasts), m["set_aside"].get("podcast", 0), "set aside")
    yield Defect(
        "neither track nor episode named",
        len(nameless) - len(podcasts),
        m["set_aside"].get("no track named", 0),
        "set aside",
    )
    yield Defect("gaps of more than 30 min (and first plays)", sum(map(n_sessions, history_plays(place).values())), m["sessions"],
                 "a new session")  # fmt: skip
    yield Defect(
        "duplicate rows", len(every) - len(nameless) - len(plays), m["rejected"].get("same play", 0), "rejected"
    )
    stamps = [r.get("offline_timestamp") or 0 for r in every]
    units = f"{sum(0 < s < 1e11 for s in stamps):,} in s, {sum(s >= 1e11 for s in stamps):,} in ms"
    yield Defect(f"offline_timestamp {units}: a start is recorded", sum(recorded_start(r) is not None for r in plays),
                 m["kept"] - n_unknown(library, "start_ms"), "both units read; others have no start")  # fmt: skip
    empty = sum(r.get("reason_end") in (None, "", "unknown") for r in plays)
    yield Defect("empty reasons", empty, n_unknown(library, "reason_end"), "null")
    for table in m.get("track_tables", ()):
        yield from of_tables(place.parent / "track_tables", {r["spotify_track_uri"] for r in plays}, table, library)


def of_account(place: Path, library: Library) -> Iterator[Defect]:
    every = [r for records in json_lists(place).values() for r in records]
    named = [(plain(r["artistName"]), plain(r["trackName"])) for r in every]
    known = [names for names in named if names[0] != "unknown artist" and names[1] != "unknown track"]
    crowded = library.manifest["notes"].get("plays beside another of their minute, not asked about", 0)
    yield Defect("plays beside others of their minute", n_again(r["endTime"] for r in every), crowded,
                 "kept, one of each minute asked about")  # fmt: skip
    yield Defect("no start", len(every), n_unknown(library, "start_ms"), "null")
    yield Defect(
        "no track ids: different names", len(set(known)), library.manifest["tracks"], "a track by artist and title"
    )
    yield Defect("names lost: Unknown Artist", len(named) - len(known), n_unknown(library, "track"), "kept, track null")


def of_scrobbles(place: Path, library: Library) -> Iterator[Defect]:
    m = library.manifest
    named = [row for row in scrobbles(place) if row["artist"].strip()]
    yield Defect("rows without an artist", len(scrobbles(place)) - len(named),
                 m["rejected"].get("expected the name of the artist", 0), "rejected")  # fmt: skip
    yield Defect("album null", sum(not row["album"].strip() for row in named), n_unknown(library, "album"), "null")
    yield Defect(
        "timestamps that come again",
        n_again(row["timestamp"] for row in named),
        m["not_asked"],
        "kept, not asked about",
    )
    yield Defect("leading index column", len(scrobbles(place)),
                 sum(n for note, n in m["notes"].items() if "columns artist 2, album 3, track 4, time 5" in note),
                 "told by their names: columns 2 to 5 are read")  # fmt: skip


def of_lastfm1k(place: Path, library: Library) -> Iterator[Defect]:
    lines, people, notes = lastfm_lines(place), lastfm_profiles(place), library.manifest["notes"]
    yield Defect("start times only", len(lines), n_unknown(library, "end_ms"), "no end, time heard or label: null")
    back = sum(b[1] < a[1] for a, b in pairwise(lines) if a[0] == b[0])
    yield Defect(
        "plays that began before the one above", back, n_sorted(library, "start_ms", back), "sorted by their start"
    )
    yield Defect("track ids missing", sum(not line[4] for line in lines), sum("\t" in t for t in column(library, "track")),
                 "a track by artist and title")  # fmt: skip
    yield Defect("profiles", len(people), notes["profiles of listeners"], "joined to plays; gender is not kept")
    yield Defect("age missing", sum(not row[2] for row in people), notes["profiles that state no age"], "null")
    yield Defect("country missing", sum(not row[3] for row in people), notes["profiles that state no country"], "null")


CASES = (
    Case("mssd", "mssd", lambda place: len(mssd_rows(place)), of_mssd),
    Case("mpd", "mpd", mpd_rows, of_mpd, tracks="track_tables"),
    Case("mpd_original/slice_0_first_29_playlists.json", "mpd", mpd_rows, of_mpd),
    Case("mpd_original/slice_0_first_37_playlists.json", "mpd", mpd_rows, of_mpd),
    Case("mpd_original/slice_0_cut_off.json.truncated", "mpd", mpd_rows, of_mpd),
    Case("spotify_history", "spotify_history", n_records, of_history, tracks="track_tables"),
    Case("spotify_account", "spotify_account", n_records, of_account),
    Case("scrobbles", "scrobbles", lambda place: len(scrobbles(place)), of_scrobbles),
    Case("lastfm1k", "lastfm1k", lambda place: len(lastfm_lines(place)), of_lastfm1k),
)


def rows_of(outcome: Outcome) -> Iterator[dict[str, str]]:
    """Of the table: the counts beside the first defect."""
    m = outcome.manifest
    counts = {
        "folder": outcome.case.place, "source": outcome.case.source, "rows in the files": f"{outcome.rows:,}",
        "kept": f"{m['kept']:,}", "set aside": f"{outcome.set_aside:,}", "rejected": f"{outcome.rejected:,}",
        "sums equal?": "yes" if outcome.is_equal else "NO", "sessions": f"{m['sessions']:,}",
        "listeners": f"{m['listeners']:,}" if m["listeners"] else "–", "tracks": f"{m['tracks']:,}", "s": f"{outcome.seconds:.1f}",
    }  # fmt: skip
    for n, defect in enumerate(outcome.defects):
        told = (
            f"{defect.by_segue:,}"
            if defect.is_equal
            else f"{defect.in_files:,} in the files, {defect.by_segue:,} BY SEGUE"
        )
        yield {
            **(counts if n == 0 else dict.fromkeys(counts, "")),
            "known defect": defect.what,
            "n": told,
            "handled": defect.how,
        }


def print_wide(rows: list[dict[str, str]]) -> None:
    """As Markdown, a line each however long: no terminal shows so many columns, and none of them can be left out."""
    width = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    numbers = {name for name in rows[0] if all(row[name][:1] in "–0123456789" for row in rows)}
    for row in ({name: name for name in width}, {name: "-" * n for name, n in width.items()}, *rows):
        cells = (row[name].rjust(n) if name in numbers else row[name].ljust(n) for name, n in width.items())
        print("| " + " | ".join(cells) + " |")


def main() -> int:
    if not DATA.is_dir():
        print(f"skipped: no real data at {DATA}; set SEGUE_DATA to the folder that holds it")
        return 0
    outcomes = []
    for case in CASES:
        if not (DATA / case.place).exists():
            print(f"skipped: {case.place} is not in {DATA}")
            continue
        with tempfile.TemporaryDirectory(prefix="segue-real-") as folder:
            outcomes.append(outcome_of(case, DATA, Path(folder) / "library"))
    print_wide([row for outcome in outcomes for row in rows_of(outcome)])
    wrong = sum(not o.is_equal for o in outcomes) + sum(not d.is_equal for o in outcomes for d in o.defects)
    print(
        "Every sum and every count is the same by plain Python and by Segue."
        if not wrong
        else f"{wrong} counts differ."
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
