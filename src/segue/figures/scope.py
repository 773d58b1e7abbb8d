"""What figures look at: a library's plays, tracks and sessions on the engine, and a sample of its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from segue import schema
from segue.engines import Engine
from segue.features.columns import key64
from segue.figures.figure import NothingToSay, Rows
from segue.library import Library
from segue.parquet_files import known_counts

MOST_ROWS = 500  # of a figure
WIDE = [
    name for name in schema.TRACKS if not name.startswith("acoustic_vector_")
]  # attributes with a name that says something
CATEGORIES = ("key", "mode", "time_signature")  # attributes whose numbers are names
UNITS = {
    "duration": "s", "release_year": "year", "us_popularity_estimate": "percentile", "dyn_range_mean": "unit of the source",
    "flatness": "unit of the source", "key": "pitch class, 0 is C", "loudness": "dB", "mode": "0 minor, 1 major",
    "tempo": "beats per minute", "time_signature": "beats a bar",
}  # fmt: skip


def unit_of(attribute: str) -> str:
    """The unit of a track attribute, as tables and axes say it."""
    return UNITS.get(attribute, "from 0 to 1")


@dataclass(frozen=True)
class Wishes:
    """What a report is asked for, beside its figures."""

    attribute: str = "acousticness"  # of tracks, drawn over the clocks
    relate: tuple[tuple[str, str], ...] = (("acousticness", "duration"),)  # mean of the first by the second
    sample: int = 50_000  # sessions that figures of single plays are counted from; 0: all
    fast: bool = False  # fewer tracks, repeats and resamples: for a demo
    seed: int = 0
    map: str = "t-sne"  # or "umap", which is an extra of its own


class Scope:
    """Ibis tables of one library. What is expensive is made once, when first asked for."""

    def __init__(self, library: Library, wishes: Wishes, engine: Engine) -> None:
        self.library, self.wishes, self.engine = library, wishes, engine
        self._shared: dict[str, Any] = {}

    # ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def plays(self) -> Any:
        """Every play: an Ibis table with the columns of schema.PLAYS."""
        return self.engine.read_parquet(self.library.path / part["path"] for part in self.library.parts)

    @cached_property
    def tracks(self) -> Any:
        """Every track: its names, its attributes in the units of their source (null: unknown), and over all plays
        `n_plays`, `n_known` (whose label is known) and `n_skipped`."""
        counted = self.plays.group_by("track").agg(
            n_plays=self.plays.count(), n_known=self.plays.skipped.count(), n_skipped=self.plays.skipped.sum()
        )
        about = self.engine.read_parquet([self.library.path / "tracks.parquet"])
        joined = about.left_join(counted, "track").drop("track_right")
        filled = {name: joined[name].fill_null(0).cast("int64") for name in ("n_plays", "n_known", "n_skipped")}
        return self._kept(joined.mutate(**filled))

    @cached_property
    def sampled(self) -> Any:
        """Every play of the sampled sessions: those whose md5 is lowest, so that the same are drawn anywhere."""
        share = self.share_sampled
        if share >= 1:
            return self.plays
        bound = f"{int(share * 16**8):08x}"
        salted = self.plays.session_id if not self.wishes.seed else self.plays.session_id + f"/{self.wishes.seed}"
        return self._kept(self.plays.filter(salted.hexdigest("md5").substr(0, 8) < bound))

    @cached_property
    def share_sampled(self) -> float:
        n, wanted = self.library.manifest["sessions"], self.wishes.sample
        return 1.0 if not wanted or n <= wanted else wanted / n

    # ── what is known ───────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def known(self) -> dict[str, int]:
        """How many plays know each column of a play, over all plays."""
        files = [self.library.path / part["path"] for part in self.library.parts]
        if told := known_counts(files, schema.PLAYS):  # no play has to be read
            return told
        return self.one(self.plays.agg(**{name: self.plays[name].count() for name in schema.PLAYS}))

    @cached_property
    def attributes(self) -> list[str]:
        """The track attributes with a name that at least 30 tracks know and that vary; their order is the schema's."""
        t = self.tracks
        asked = {f"n_{a}": t[a].count() for a in WIDE} | {f"k_{a}": t[a].nunique() for a in WIDE}
        found = self.one(t.agg(**asked))
        return [a for a in WIDE if found[f"n_{a}"] >= 30 and found[f"k_{a}"] > 1]

    @property
    def tells_skips(self) -> bool:
        return bool(self.known["skipped"]) and 0 < self.library.manifest["skips"] < self.known["skipped"]

    def needs_skips(self) -> None:
        """Leave where the library does not tell skips from plays that were not."""
        if not self.tells_skips:
            raise NothingToSay("its source does not tell which plays were skipped")

    def needs(self, *names: str) -> None:
        """Leave where a column of a play is never known."""
        for name in names:
            if not self.known[name]:
                raise NothingToSay(f"{name} is never known in it")

    def needs_attributes(self, n: int = 1) -> list[str]:
        if len(self.attributes) < n:
            found = f"only {', '.join(self.attributes)} of" if self.attributes else "none of"
            raise NothingToSay(
                f"{found} the attributes of tracks is known: give a table of them to segue ingest, by --tracks"
            )
        return self.attributes

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, table: Any) -> Rows:
        """A query's answer, row by row; it must be small."""
        found = self.engine.to_arrow(table)
        if found.num_rows > 20 * MOST_ROWS:
            raise ValueError(f"a figure's query gave {found.num_rows} rows: expected at most {20 * MOST_ROWS}")
        answer: Rows = found.to_pylist()
        return answer

    def one(self, table: Any) -> dict[str, Any]:
        return self.rows(table)[0]

    def arrays(self, table: Any, names: Sequence[str]) -> dict[str, Any]:
        """Columns as numpy: numbers as float64 with NaN for unknown, text as objects; for what sklearn fits on samples."""
        found = self.engine.to_arrow(table.select(*names))
        return {name: _array(found[name]) for name in names}

    def drawn_tracks(
        self, n: int, names: Iterable[str] = (), *, known: Iterable[str] = (), least_known: int = 0
    ) -> Any:  # fmt: skip
        """At most n tracks that know all of `known`, and so many plays whose label is known: those of the lowest md5; the same
        anywhere. An Ibis table."""
        t = self.tracks.filter(self.tracks.n_known >= least_known) if least_known else self.tracks
        for name in known:
            t = t.filter(t[name].notnull())
        return self.lowest(t, "track", n).select(*dict.fromkeys(["track", "artist", "title", *names]))

    def lowest(self, table: Any, key: str, n: int) -> Any:
        """At most n rows of a table: those whose key has the lowest md5, salted with the seed; the same anywhere."""
        mark = (table[key] + f"/{self.wishes.seed}").hexdigest("md5")
        return table.mutate(md5_=mark).order_by("md5_", key).limit(n).drop("md5_")

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def of_all(self) -> str:
        """What is counted from all plays."""
        m = self.library.manifest
        return f"{m['kept']:,} plays of {m['sessions']:,} sessions"

    @cached_property
    def of_sample(self) -> str:
        """What is counted from the sample."""
        if self.share_sampled >= 1:
            return self.of_all
        found = self.one(self.sampled.agg(n=self.sampled.count(), s=self.sampled.session_id.nunique()))
        return f"{found['n']:,} plays of {found['s']:,} sessions, sampled by md5 from {self.library.manifest['sessions']:,}"

    @property
    def zone(self) -> str:
        """The time zone of the clock that hours and days are of, as ingest was told; empty: the source's own clock."""
        return str(self.library.manifest["options"].get("tz", ""))

    def rng(self, name: str) -> np.random.Generator:
        """A generator of a figure's own: the same whichever other figures are drawn."""
        return np.random.default_rng([self.wishes.seed, abs(key64(name))])

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What several figures look at, made when the first of them asks."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    def _kept(self, table: Any) -> Any:
        """A table made once, on the engine."""
        return self.engine.table(table)


def _array(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=object)
    return column.cast("float64").to_numpy(zero_copy_only=False)


def named_track(row: dict[str, Any]) -> str:
    """A track as a person calls it: "title (artist)" where known, else its key."""
    title, artist = row.get("title"), row.get("artist")
    return f"{title} ({artist})" if title and artist else str(title or row["track"])


def brief(text: str, most: int = 60) -> str:
    """A name as a picture or a sentence has room for it."""
    return text if len(text) <= most else text[: most - 1] + "…"


def halves(text: str, most: int = 60) -> str:
    """A name of a recording as there is room for it: cut in its middle, for those of one folder differ in their ends.

    >>> halves("Let's Go (The Band), lets_go.hq.ogg", 16)
    "Let's Go….hq.ogg"
    """
    head = most // 2
    return text if len(text) <= most else f"{text[:head].rstrip()}…{text[len(text) - (most - head - 1) :].lstrip()}"


@dataclass(frozen=True)
class Scale:
    """How a measure is looked at: as it is, or in logs where one of its tails is long.

    Parameters
    ----------
    way : 0: as it is; 1: its right tail is long, log(1 + (x - end) / unit); -1: its left one, -log(1 + (end - x) / unit)
    """

    way: int = 0
    end: float = 0.0
    unit: float = 1.0

    def on(self, values: Any) -> Any:
        """Values on the scale, which goes on evenly past its end; NaN stays."""
        if not self.way:
            return values
        off = self.way * (values - self.end) / self.unit
        return self.way * np.where(off < 0, off, np.log1p(np.maximum(off, 0)))

    def back(self, at: float) -> float:
        """The value that stands at a place of the scale."""
        if not self.way:
            return at
        off = self.way * at
        return self.end + self.way * self.unit * (off if off < 0 else float(np.expm1(off)))


def scale(values: Any) -> Scale:
    """The scale of a measure: logs where its skewness is beyond 1 (that of an exponential is 2), in the unit that leaves least.

    >>> scale(np.array([1.0, 2.0, 3.0]))
    Scale(way=0, end=0.0, unit=1.0)
    >>> scale(np.array([0.0, 1.0, 1.0, 1.0, 1.0, 99.0]))
    Scale(way=1, end=0.0, unit=1.0)
    """
    from scipy.stats import skew

    known = values[~np.isnan(values)]
    if len(known) < 3 or known.min() == known.max() or abs(found := skew(known)) <= 1:
        return Scale()
    way = 1 if found > 0 else -1
    end = min(0.0, float(known.min())) if way > 0 else float(known.max())
    off = way * (known - end)
    units = np.quantile(off[off > 0], [0.05, 0.25, 0.5])
    return Scale(way, end, float(min(units, key=lambda unit: abs(skew(np.log1p(off / unit))))))


def well_known(scope: Scope, table: Any, names: Iterable[str], least: int = 30) -> list[str]:
    """The columns that `least` rows know, and at least half as many as know the best-known one."""
    names = list(names)
    counts = scope.one(table.agg(**{name: table[name].count() for name in names})) if names else {}
    return [name for name in names if counts[name] >= max(least, max(counts.values()) / 2)]
