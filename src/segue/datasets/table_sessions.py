"""The plays of a table in sessions: those that it tells of, or cut from what each listener heard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from segue import schema, sessions
from segue.datasets import starts
from segue.datasets.table_columns import Layout

_QUARTER_MS = 900_000  # clocks on earth differ by whole quarters of an hour


def with_days(rows: Any, zone: tzinfo, engine: Any) -> Any:
    """What the listener's clock said: day, hour and weekday of a start, and the day of an end."""
    import ibis
    import pyarrow as pa

    guess = rows.end_ms - rows.played_ms.coalesce(starts.GUESS_MS)
    rows = rows.mutate(
        began=rows.start_ms.coalesce(guess), over=rows.end_ms.coalesce(rows.start_ms), start_guess_ms=guess
    )
    for name in ("began", "over"):
        rows = rows.mutate(**{f"{name}_local": rows[name]})
        if zone is UTC:
            continue
        rows = rows.mutate(quarter=rows[name] // _QUARTER_MS)
        quarters = [
            q for q in engine.to_arrow(rows.select("quarter").distinct())["quarter"].to_pylist() if q is not None
        ]
        ahead = [datetime.fromtimestamp(q * _QUARTER_MS // 1000, zone).utcoffset() for q in quarters]
        offsets = engine.table(pa.table({"at": pa.array(quarters, pa.int64()),
                                         "ahead": pa.array([(a or timedelta()) // timedelta(milliseconds=1) for a in ahead],
                                                           pa.int64())}))  # fmt: skip
        rows = rows.left_join(offsets, rows.quarter == offsets.at)
        rows = rows.mutate(**{f"{name}_local": rows[name] + rows.ahead}).drop("quarter", "at", "ahead")
    local = ibis.ifelse(rows.start_ms.notnull(), rows.began_local, ibis.null("int64"))
    return rows.mutate(
        start_day=_day(rows.began_local), stop_day=_day(rows.over_local),
        hour=rows.hour.coalesce(local // 3_600_000 % 24).cast("int64"),
        weekday=rows.weekday.coalesce((local // 86_400_000 + 3) % 7).cast("int64"),
    )  # fmt: skip


def _day(local_ms: Any) -> Any:
    return (local_ms // 86_400_000 * 86_400).cast("int64").as_timestamp("s").cast("date")


def stream(rows: Any, layout: Layout, engine: Any) -> Any:
    """What `sessions.cut` cuts: columns that the table does not tell are left out, for every one is carried through its windows."""
    import ibis

    named = {"artist": "artist_name", "album": "album_name"}
    told = [c for c in schema.PLAYS if c in rows.columns and (c in layout.at or named.get(c) in layout.at)]
    made = ("listener", "track", "start_ms", "end_ms", "hour", "weekday", "start_guess_ms", "start_day", "stop_day")
    rows = rows.select(*dict.fromkeys((*told, *made)), source_row=rows.row)
    open_ended = engine.to_arrow(rows.filter(rows.end_ms.isnull()).count()).as_py()
    if open_ended:
        following = rows.start_ms.lead().over(
            ibis.window(group_by="listener", order_by=[rows.start_ms, rows.source_row])
        )
        longest = rows.start_ms + starts.GUESS_MS
        rows = rows.mutate(following=following, end_guess_ms=ibis.least(longest, following.coalesce(longest)))
        return _stopped(rows).drop("following").rename(stop_guess_ms="stop_ms")
    return rows


def _stopped(rows: Any) -> Any:
    """With `stop_ms`: an end as told, else as `starts.typical_ms` has it, which here is said in expressions."""
    import ibis

    gap = rows.following - rows.start_ms
    seen = rows.filter(gap.between(starts.SHORTEST_MS, starts.FOLLOWED_MS)).select("track", gap=gap)
    of_track = ibis.window(group_by="track", order_by="gap")
    seen = seen.mutate(rank=ibis.row_number().over(of_track), n=seen.count().over(ibis.window(group_by="track")))
    seen = seen.filter(seen.n >= starts.OFTEN, seen.rank == seen.n // 2)
    often = seen.select(often_track="track", typical="gap")
    rows = rows.left_join(often, rows.track == often.often_track)
    stop = rows.start_ms + rows.typical.coalesce(starts.GUESS_MS)
    stop = ibis.least(stop, rows.following.coalesce(stop))
    return rows.mutate(stop_ms=rows.end_ms.coalesce(stop).cast("int64")).drop("often_track", "typical")


def as_given(rows: Any, layout: Layout) -> Any:
    """Plays of the sessions that the table tells."""
    import ibis

    whole = ibis.window(group_by=rows.session_id)
    if "position" not in layout.at:
        in_order = ibis.window(group_by=rows.session_id, order_by=[rows.start_ms.coalesce(rows.over), rows.row])
        rows = rows.mutate(position=ibis.row_number().over(in_order) + 1)
    rows = rows.mutate(
        first_row=rows.row.min().over(whole), session_over=rows.over.min().over(whole),
        session_length=rows.position.max().over(whole),
        day=rows.day.min().over(whole).coalesce(rows.start_day.min().over(whole)),
        end_day=ibis.greatest(rows.day.max().over(whole), rows.stop_day.max().over(whole)),
        quiet_since=rows.end_ms.max().over(
            ibis.window(group_by=rows.session_id, order_by=rows.position, preceding=(None, 1))
        ),
    )  # fmt: skip
    of_listener = ibis.window(group_by=rows.listener,
                              order_by=[rows.session_over, rows.day, rows.first_row, rows.position])  # fmt: skip
    rows = rows.mutate(
        listener_position=ibis.ifelse(rows.listener.isnull(), ibis.null("int64"), ibis.row_number().over(of_listener) + 1),
        first_of_artist=_first(rows, "artist"), first_of_track=_first(rows, "track"),
        source_row=rows.row,
        asked=ibis.cases((rows.start_ms - rows.quiet_since < -sessions.OVERLAP_MS, 0), else_=1).cast("int64"),
    )  # fmt: skip
    rows = rows.mutate(
        following=rows.start_ms.lead().over(ibis.window(group_by=rows.session_id, order_by=rows.position))
    )
    rows = _stopped(rows) if "start_ms" in layout.at else rows.mutate(stop_ms=rows.end_ms)
    kinds = {c.name: {"text": "string", "day": "date"}.get(c.kind, "int64") for c in schema.PLAYS.values()}
    made = {c: rows[c].cast(kind) if c in rows.columns else ibis.null(kind) for c, kind in kinds.items()}
    return rows.select(**made)


def _first(rows: Any, column: str) -> Any:
    import ibis

    before = ibis.window(group_by=[rows.session_id, rows[column]], order_by=rows.position)
    return ibis.ifelse(rows[column].isnull(), ibis.null("int64"), (ibis.row_number().over(before) == 0).cast("int64"))
