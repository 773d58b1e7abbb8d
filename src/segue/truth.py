"""The truth of a simulated world, as its simulator wrote it beside the logs: the chance of a skip of every play."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array
from segue.errors import AskedWrongly, BadInput
from segue.exam import Halves, Told, by_size
from segue.features.columns import combine, from_arrow
from segue.intervals import Floats, Ints
from segue.parquet_files import read_parquet

FORMAT = 1
SETTINGS = ("online", "challenge")
PARTS = ("training_set", "test_set")
_REMEDY = "give the truth folder of these logs"


@dataclass(frozen=True)
class _Plays:
    """The plays that one setting asks about, sorted by their key."""

    key: Ints  # (n,) of session and position together
    session: Ints
    position: Ints
    skipped: Ints
    p: Floats
    p_tracks_unknown: Floats
    string: Array  # of the challenge only, as is what follows; else empty
    string_tracks_unknown: Array
    joint: Array  # flat: from `begin` on, `place` values of each play
    begin: Ints
    place: Ints  # how many plays were asked about before it


@dataclass(frozen=True)
class Truth:
    """What a simulator wrote of some parts of its logs. Nothing is read of plays until a setting is asked about, then once."""

    folder: Path
    world: Mapping[str, Any]
    parts: tuple[str, ...] = PARTS
    _read: dict[str, _Plays] = field(default_factory=dict, repr=False, compare=False)

    def of(self, keys: Mapping[str, Array], setting: str, label: Array | None = None) -> Told:
        """The truth of the examples with these keys of `session` and `position`, in their order.

        Raises
        ------
        AskedWrongly : it does not speak of that setting
        BadInput : it lacks some of the examples; or some ended otherwise than `label`, where given
        """
        plays = self._plays(setting)
        at = self._found(plays, keys)
        if label is not None and (n := int((plays.skipped[at] != label).sum())):
            raise BadInput(f"{n:,} of {len(label):,} plays ended otherwise than {self.folder} says, which is the truth of "
                           f"another seed or world: {_REMEDY}")  # fmt: skip
        told = Told(plays.p[at], plays.p_tracks_unknown[at])
        if setting == "online":
            return told
        halves = tuple(_halves(plays, at, keys))
        return replace(
            told, string=plays.string[at], string_tracks_unknown=plays.string_tracks_unknown[at], halves=halves
        )

    def skipped(self, keys: Mapping[str, Array], setting: str) -> Ints:
        """What happened, in the order of the keys."""
        plays = self._plays(setting)
        return plays.skipped[self._found(plays, keys)]

    def _plays(self, setting: str) -> _Plays:
        if setting not in SETTINGS:
            raise AskedWrongly(f"setting {setting!r}: a truth speaks of {' and '.join(SETTINGS)} only; leave it out")
        if setting not in self._read:
            self._read[setting] = _read(self.folder, self.parts, setting)
        return self._read[setting]

    def _found(self, plays: _Plays, keys: Mapping[str, Array]) -> Ints:
        """The row of each example."""
        session, position = (np.asarray(keys[name], np.int64) for name in ("session", "position"))
        if not len(plays.key):
            raise BadInput(f"{self.folder} holds no play that the setting asks about: {_REMEDY}")
        at = np.minimum(np.searchsorted(plays.key, combine([session, position])), len(plays.key) - 1)
        missing = (plays.session[at] != session) | (plays.position[at] != position)
        if missing.any():
            raise BadInput(f"{int(missing.sum()):,} of {len(at):,} plays are not in {self.folder}: {_REMEDY}")
        return at


def open_truth(folder: Path | str, parts: Sequence[str] = PARTS) -> Truth:
    """Open the `truth` folder of a simulated world, or only some of its parts.

    Raises
    ------
    AskedWrongly : there is no world.json, or it is of a format that this version does not know
    BadInput : it is not JSON
    """
    place = Path(folder).expanduser()
    try:
        world = json.loads((place / "world.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise AskedWrongly(
            f"{folder} holds no world.json: expected the truth folder of a simulated world, such as raw/truth"
        ) from None
    except ValueError as cause:
        raise BadInput(f"{place / 'world.json'} is not JSON ({cause}): simulate the world again") from None
    found = world.get("format") if isinstance(world, dict) else None
    if found != FORMAT:
        raise AskedWrongly(
            f"{place / 'world.json'} is of format {found!r}: expected {FORMAT}; simulate the world with this version of segue"
        )
    return Truth(place, world, tuple(parts))


def _read(folder: Path, parts_of: Sequence[str], setting: str) -> _Plays:
    """The plays of every file."""
    names = [setting, f"{setting}_tracks_unknown"]
    if setting == "challenge":
        names += ["string", "string_tracks_unknown", "joint"]
    files = [file for part in parts_of for file in sorted((folder / part).glob("*.parquet"))]
    if not files:
        raise BadInput(f"{folder} holds no Parquet files in {' or '.join(parts_of)}: simulate the world again")
    parts = [_part(file, setting, names) for file in files]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    key = combine([joined["session"], joined["position"]])
    order = np.argsort(key, kind="stable")
    if (np.diff(key[order]) == 0).any():
        raise BadInput(f"{folder} holds a play twice: take away what was copied there, or simulate the world again")
    none = np.zeros(0, np.int64)
    joint, place = joined.pop("joint", none), joined.pop("place", none)
    of_challenge = {"string": none, "string_tracks_unknown": none, "begin": np.cumsum(place) - place, "place": place}
    every: dict[str, Array] = {
        name: values[order] if values.size else none for name, values in (of_challenge | joined).items()
    }
    return _Plays(key=key[order], joint=joint, **every)


def _part(file: Path, setting: str, names: list[str]) -> dict[str, Array]:
    """The columns of one file as arrays, without the plays that the setting does not ask about."""
    import pyarrow.compute as pc

    wanted = ["session_id", "position", "skipped", *names]
    try:
        rows = read_parquet(file, wanted)
    except BadInput as cause:
        columns = ", ".join(wanted)
        raise BadInput(
            f"{file} is not as a simulator writes it, with columns {columns}: simulate the world again"
        ) from cause
    rows = rows.filter(pc.is_valid(rows[setting]))
    for name in names:
        if rows[name].null_count:
            raise BadInput(f"{file}: {name} is null where {setting} is not; simulate the world again")
    own = from_arrow(rows, ["session_id", "position", "skipped"])
    made: dict[str, Array] = {
        "session": own["session_id"][0],
        "position": own["position"][0],
        "skipped": own["skipped"][0],
    }
    for name, called in zip(names[:2], ("p", "p_tracks_unknown"), strict=True):
        made[called] = np.asarray(rows[name].to_numpy(), np.float64)
        if not ((made[called] >= 0) & (made[called] <= 1)).all():
            raise BadInput(f"{file}: {name} is not always a probability in [0, 1]; simulate the world again")
    for name in names[2:4]:
        made[name] = np.asarray(rows[name].to_numpy(), np.uint8)
    if "joint" in names:
        joint = rows["joint"].combine_chunks()
        made["joint"] = np.asarray(pc.list_flatten(joint), np.float32)
        made["place"] = np.asarray(pc.list_value_length(joint), np.int64)
    return made


def _halves(plays: _Plays, at: Ints, keys: Mapping[str, Array]) -> Iterator[Halves]:
    """Sessions of as many asked plays, with their joints.

    A play's `joint` has a value for each play asked about before it in the log. Where some of these are no examples, as
    they may be in a library that could not keep all rows, their places are passed over.
    """
    for which, rows in by_size(keys):
        length = rows.shape[1]
        p, begin, place = plays.p[at[rows]], plays.begin[at[rows]], plays.place[at[rows]]
        if (np.diff(place, axis=1) < 1).any():
            raise BadInput("joint has not one value for each play asked about before: simulate the world again")
        joints = np.empty((len(which), length, length))
        for i in range(length):
            joints[:, i, i] = p[:, i]
            joints[:, i, :i] = joints[:, :i, i] = plays.joint[begin[:, i, None] + place[:, :i]]
        yield Halves(which, rows, joints)
