"""Sessions: a stream of plays per listener, cut by inactivity measured from the *end* of a play."""

from __future__ import annotations

from typing import Any

from segue.schema import PLAYS

GAP_MIN = 30  # minutes without music that end a session
OVERLAP_MS = 60_000  # a play that starts earlier than this before the last one ended is not asked about
_TIES = ("reason_end", "reason_start", "skipped", "shuffle", "offline", "platform", "artist", "album")


def cut(stream: Any, gap_min: int = GAP_MIN) -> Any:
    """Plays of listeners become plays of sessions.

    A session ends where more than `gap_min` minutes pass between the end of a play and the start of the next; exactly
    that many stay inside. Plays are in order of their end (ties by start, then all they say, then source row): what had
    ended is what was known.

        end      10:03   10:07      10:37:00   |   11:07:01
        start    10:00   10:03      10:34          11:07:00.5     gap 30 min 0.5 s: a new session

    Logs that know only when a play started bring `end_guess_ms`, no later than the next start, for plays whose `end_ms`
    is null. These stand in the order of their starts (ties by source row), and the gap is measured from the guess, which
    is written as `stop_ms` alone, which no feature reads; or, where there is a better one, `stop_guess_ms` is.

    Parameters
    ----------
    stream : Ibis table with `listener`, `start_ms` (null where not recorded), `start_guess_ms` (end less time heard),
        `end_ms`, `start_day`, `stop_day`, `track`, `source_row` and any other columns of `schema.PLAYS`: those that it lacks
        are null; and `end_guess_ms`, where some have no end

    Returns
    -------
    Ibis table of plays with session_id, position, day, end_day, listener_position, session_length, asked,
    first_of_artist and first_of_track.
    """
    import ibis

    ties = [c for c in _TIES if c in stream.columns]
    in_order = [stream[c] for c in ("end_ms", "start_guess_ms", "start_ms", "track", *ties, "source_row")]
    ended, stop, tied = stream.end_ms, stream.end_ms, ibis.literal(False)
    if "end_guess_ms" in stream.columns:
        in_order = [ibis.coalesce(stream.end_ms, stream.start_ms), stream.source_row]
        ended = ibis.coalesce(stream.end_ms, stream.end_guess_ms)
        stop = ibis.coalesce(stream.end_ms, stream.stop_guess_ms) if "stop_guess_ms" in stream.columns else ended
        last = stream.start_ms.lag().over(ibis.window(group_by=stream.listener, order_by=in_order))
        tied = stream.end_ms.isnull() & (stream.start_ms == last)
    before = ibis.window(group_by=stream.listener, order_by=in_order, preceding=(None, 1))
    t = stream.mutate(
        began=ibis.coalesce(stream.start_ms, stream.start_guess_ms),
        quiet_since=ended.max().over(before),
        stop_ms=stop,
        tied=tied,
        row=ibis.row_number().over(ibis.window(group_by=stream.listener, order_by=in_order)),
    )
    t = t.mutate(began=ibis.least(t.began, t.end_ms))  # a start that the clock puts after the end is no silence
    gap = t.began - t.quiet_since
    opens = ibis.ifelse(gap.isnull() | (gap > gap_min * 60_000), 1, 0)
    t = t.mutate(opens=opens, listener_position=(t.row + 1).cast("int64"))
    t = t.mutate(n_session=t.opens.sum().over(ibis.window(group_by=t.listener, order_by=t.listener_position,
                                                        preceding=None, following=0)))  # fmt: skip
    whole = ibis.window(group_by=[t.listener, t.n_session])
    by = {c: ibis.window(group_by=[t.listener, t.n_session, t[c]], order_by=t.listener_position)
          for c in ("artist", "track") if c in t.columns}  # fmt: skip
    t = t.mutate(first_position=t.listener_position.min().over(whole))
    opening = t.listener_position == t.first_position
    t = t.mutate(
        position=t.listener_position - t.first_position + 1,
        session_length=t.count().over(whole).cast("int64"),
        day=ibis.ifelse(opening, t.start_day, ibis.null("date")).max().over(whole),
        end_day=t.stop_day.max().over(whole),
        session_start=ibis.ifelse(opening, t.began, ibis.null("int64")).max().over(whole),
        # a play is not asked about that started well before the last one ended, or whose place in its session is only
        # known from its own end: no start is recorded, and a pause within it may have opened the session; or of which
        # nobody knows whether it came before or after another of the same second
        asked=ibis.cases(
            (t.tied, 0),
            (t.start_ms - t.quiet_since < -OVERLAP_MS, 0),
            (t.start_ms.isnull() & (t.end_ms - t.quiet_since > gap_min * 60_000), 0),
            else_=1,
        ).cast("int64"),
        **{f"first_of_{c}": _first(t[c], window) for c, window in by.items()},
    )
    t = t.mutate(session_id=t.listener + "-" + t.session_start.cast("string"))
    kinds = {"text": "string", "day": "date"}
    absent = {c.name: ibis.null(kinds.get(c.kind, "int64")) for c in PLAYS.values() if c.name not in t.columns}
    return t.select(**{name: absent[name] if name in absent else t[name] for name in PLAYS})


def completed(plays: Any) -> Any:
    """With the columns that not every source has heard of: a play stopped when it ended, and nobody's gender is known."""
    import ibis

    if "stop_ms" not in plays.columns:
        plays = plays.mutate(stop_ms=plays.end_ms)
    return plays if "gender" in plays.columns else plays.mutate(gender=ibis.null("string"))


def _first(column: Any, window: Any) -> Any:
    import ibis

    first = ibis.ifelse(ibis.row_number().over(window) == 0, 1, 0)
    return ibis.ifelse(column.isnull(), ibis.null("int64"), first).cast("int64")
