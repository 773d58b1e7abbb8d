"""The truth of a day's sessions as a table: what was to be expected of every play, and the best strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from segue import decode
from segue.simulate.draws import Floats, Ints
from segue.simulate.filtering import truths
from segue.simulate.sessions import Played
from segue.simulate.world import World

FORMAT = 1
COLUMNS = {
    "session_id": "the session, as the logs call it",
    "position": "place of the play in its session, from 1",
    "skipped": "what happened",
    "online": "P(skip | what the setting online grants, the world known)",
    "online_tracks_unknown": "the same, the hidden quality of tracks averaged over",
    "challenge": "P(skip | what the setting challenge grants, the world known); null in first halves",
    "challenge_tracks_unknown": "the same, the hidden quality of tracks averaged over",
    "string": "the prediction that maximises the expected average accuracy, the world known",
    "string_tracks_unknown": "the same, the hidden quality of tracks averaged over",
    "joint": "P(this play and each earlier asked one are both skipped), the world known",
}


def table(world: World, played: Played, names: list[str]) -> Any:
    """An arrow table, one row per play, sessions in their order; `names` are the sessions' ids."""
    import pyarrow as pa

    n, longest = played.track.shape
    there = np.arange(longest) < played.length[:, None]
    asked = there & (2 * (np.arange(longest) + 1) > played.length[:, None])
    columns: dict[str, Any] = {
        "session_id": pa.array(names).take(pa.array(np.repeat(np.arange(n), played.length))),
        "position": pa.array(np.broadcast_to(np.arange(1, longest + 1), there.shape)[there].astype(np.int64)),
        "skipped": pa.array(played.skipped[there].astype(np.int8)),
    }
    for known, suffix in ((True, ""), (False, "_tracks_unknown")):
        found = truths(world, played, tracks_known=known)
        columns[f"online{suffix}"] = pa.array(found.online[there])
        columns[f"challenge{suffix}"] = pa.array(found.challenge[there], mask=~asked[there])
        strings = best(found.joint, played.length, longest)
        columns[f"string{suffix}"] = pa.array(strings[there], mask=~asked[there])
        if known:
            columns["joint"] = _joint(found.joint, asked, there)
    return pa.table({name: columns[name] for name in COLUMNS})


def best(joint: Floats, length: Ints, longest: int) -> Any:
    """(S, longest) int8: the best string of each session, at the places it is asked about."""
    found = np.zeros((len(joint), longest), np.int8)
    for one in np.unique(length):
        rows, first = np.flatnonzero(length == one), int(one) // 2
        asked = int(one) - first
        strings, _ = decode.best_strings(joint[rows, :asked, :asked])
        found[rows, first:one] = strings
    return found


def _joint(joint: Floats, asked: Any, there: Any) -> Any:
    """For the i-th asked play, its chances with the i - 1 before it; null where nothing is asked."""
    import pyarrow as pa

    session = np.nonzero(there)[0]
    is_asked = asked[there]
    order = np.cumsum(asked, axis=1)[there] - 1  # of an asked play among them
    size = np.where(is_asked, order, 0)
    rows = np.repeat(np.arange(len(session)), size)
    earlier = np.arange(len(rows)) - np.repeat(np.cumsum(size) - size, size)
    values = joint[session[rows], order[rows], earlier].astype(np.float32)
    ends = np.concatenate([[0], np.cumsum(size)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values), mask=pa.array(~is_asked))
