"""What is here: how much, of what, how well known, and how the plays ended."""

from __future__ import annotations

from segue.explore.figure import Figure
from segue.explore.rates import shown
from segue.explore.scope import Scope


def counts(scope: Scope) -> Figure:
    m = scope.library.manifest
    t = scope.plays
    found = scope.one(t.agg(days=t.day.nunique(), listeners=t.listener.nunique(), artists=t.artist.nunique()))
    rows = [
        {"what": "plays", "n": m["kept"]}, {"what": "sessions", "n": m["sessions"]},
        {"what": "listeners", "n": found["listeners"] or None}, {"what": "tracks", "n": m["tracks"]},
        {"what": "artists", "n": found["artists"] or None}, {"what": "days with plays", "n": found["days"] or None},
    ]  # fmt: skip
    finding = f"{m['kept']:,} plays of {m['tracks']:,} tracks in {m['sessions']:,} sessions"
    if m["first_day"]:
        finding += f", from {m['first_day']} to {m['last_day']}"
    labelled = scope.known["skipped"]
    finding += (
        f"; {shown(m['skips'] / labelled)} of the plays were skipped." if labelled else "; of skips nothing is said."
    )
    return Figure("How much is here?", finding, rows, scope.of_all, units={"what": "", "n": "how many"},
                  note="A dash: the source does not say.")  # fmt: skip
