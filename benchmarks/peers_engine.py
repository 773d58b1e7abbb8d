"""The work of `segue ingest` and `segue features`, written by hand for others: what bench_engine.py runs beside segue.

    python benchmarks/peers_engine.py duckdb ingest RAW OUT        logs of the streaming sessions → Parquet with segue's columns
    python benchmarks/peers_engine.py polars features IN OUT TRACKS    → the features named below, of every play

They read by a schema that they were told, take every row on trust, keep no counts and cannot go on where they stopped. Their
answers are held against segue's, cell by cell, by bench_engine.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

FEATURES = (
    "last_skipped", "second_last_skipped", "skip_rate_of_session", "skip_rate_of_last_5", "skip_run", "last_skipped_at_once",
    "last_heard_out", "trackdone_rate", "last_ended_trackdone", "last_ended_fwdbtn", "position_in_session", "hour", "night",
    "context", "shuffle", "premium", "long_pause", "plays_of_track_so_far", "skip_rate_of_track_so_far",
    "skip_rate_of_context_so_far", "plays_of_track", "skip_rate_of_track", "acousticness",
)  # fmt: skip
CONTEXTS = ("editorial_playlist", "user_collection", "catalog", "radio", "charts", "personalized_playlist")
SHRINK = 10  # plays' worth by which a track's skip rate is drawn towards that of all
COLUMNS = {
    "session_id": "VARCHAR", "session_position": "BIGINT", "session_length": "BIGINT", "track_id_clean": "VARCHAR",
    "skip_1": "BOOLEAN", "skip_2": "BOOLEAN", "skip_3": "BOOLEAN", "not_skipped": "BOOLEAN", "context_switch": "BIGINT",
    "no_pause_before_play": "BIGINT", "short_pause_before_play": "BIGINT", "long_pause_before_play": "BIGINT",
    "hist_user_behavior_n_seekfwd": "BIGINT", "hist_user_behavior_n_seekback": "BIGINT",
    "hist_user_behavior_is_shuffle": "BOOLEAN", "hour_of_day": "BIGINT", "date": "DATE", "premium": "BOOLEAN",
    "context_type": "VARCHAR", "hist_user_behavior_reason_start": "VARCHAR", "hist_user_behavior_reason_end": "VARCHAR",
}  # fmt: skip
MEMORY = "1500MB"

DUCKDB_INGEST = """
SET memory_limit = '{memory}'; SET preserve_insertion_order = false; SET temp_directory = '{out}.spill';
COPY (
    SELECT session_id, session_position AS position, day, day AS end_day, track_id_clean AS track, hour_of_day AS hour,
        (isodow(date) - 1)::BIGINT AS weekday, context_type AS context, context_switch, no_pause_before_play AS no_pause,
        short_pause_before_play AS short_pause, long_pause_before_play AS long_pause,
        hist_user_behavior_is_shuffle::BIGINT AS shuffle, premium::BIGINT AS premium,
        hist_user_behavior_reason_start AS reason_start, hist_user_behavior_reason_end AS reason_end,
        skip_2::BIGINT AS skipped, skip_1::BIGINT AS skip_1, skip_3::BIGINT AS skip_3, not_skipped::BIGINT AS not_skipped,
        hist_user_behavior_n_seekfwd AS n_seeks_forward, hist_user_behavior_n_seekback AS n_seeks_back,
        (row_number() OVER (PARTITION BY session_id, track_id_clean ORDER BY session_position) = 1)::BIGINT AS first_of_track,
        session_length
    FROM (SELECT *, strptime(regexp_extract(filename, '_(\\d{{8}})_', 1), '%Y%m%d')::DATE AS day
          FROM read_csv({files}, header = true, delim = ',', auto_detect = false, filename = true, columns = {{{columns}}}))
) TO '{out}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day), WRITE_PARTITION_COLUMNS true, OVERWRITE_OR_IGNORE)
"""

DUCKDB_FEATURES = """
SET memory_limit = '{memory}'; SET preserve_insertion_order = false; SET temp_directory = '{out}.spill';
CREATE TEMP TABLE days AS SELECT day, sum(n) OVER w AS all_n, sum(k) OVER w AS all_k FROM (
    SELECT day, count(*) AS n, sum(skipped) AS k FROM read_parquet('{plays}') GROUP BY day)
    WINDOW w AS (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
CREATE TEMP TABLE history AS SELECT track, day, sum(n) OVER w AS n, sum(k) OVER w AS k FROM (
    SELECT track, day, count(*) AS n, sum(skipped) AS k FROM read_parquet('{plays}') GROUP BY track, day)
    WINDOW w AS (PARTITION BY track ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
COPY (
    SELECT p.session_id, p.position, p.day, p.skipped AS label,
        lag(p.skipped) OVER s AS last_skipped, lag(p.skipped, 2) OVER s AS second_last_skipped,
        (sum(p.skipped) OVER w / count(p.skipped) OVER w)::FLOAT AS skip_rate_of_session,
        (avg(p.skipped) OVER (s ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING))::FLOAT AS skip_rate_of_last_5,
        count(*) OVER w - coalesce(max(CASE WHEN p.skipped = 0 THEN p.position END) OVER w
            - min(p.position) OVER w + 1, 0) AS skip_run,
        lag(p.skip_1) OVER s AS last_skipped_at_once, lag(p.not_skipped) OVER s AS last_heard_out,
        (avg((p.reason_end = 'trackdone')::INT) OVER w)::FLOAT AS trackdone_rate,
        lag((p.reason_end = 'trackdone')::INT) OVER s AS last_ended_trackdone,
        lag((p.reason_end = 'fwdbtn')::INT) OVER s AS last_ended_fwdbtn,
        p.position AS position_in_session, p.hour, (p.hour < 6 OR p.hour > 21)::INT AS night,
        CASE p.context {contexts} ELSE CASE WHEN p.context IS NOT NULL THEN 0 END END AS context,
        p.shuffle, p.premium, p.long_pause,
        count(p.skipped) OVER t AS plays_of_track_so_far, (avg(p.skipped) OVER t)::FLOAT AS skip_rate_of_track_so_far,
        (avg(p.skipped) OVER (PARTITION BY p.session_id, p.context ORDER BY p.position
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))::FLOAT AS skip_rate_of_context_so_far,
        coalesce(h.n, 0) AS plays_of_track,
        ((coalesce(h.k, 0) * d.all_n + {shrink} * d.all_k) / ((coalesce(h.n, 0) + {shrink}) * d.all_n))::FLOAT
            AS skip_rate_of_track,
        (round_even(a.acousticness * 1000, 0) / 1000)::FLOAT AS acousticness
    FROM read_parquet('{plays}') p
    LEFT JOIN history h ON h.track = p.track AND h.day = p.day LEFT JOIN days d ON d.day = p.day
    LEFT JOIN read_parquet('{tracks}') a ON a.track = p.track
    WINDOW s AS (PARTITION BY p.session_id ORDER BY p.position), w AS (s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        t AS (PARTITION BY p.session_id, p.track ORDER BY p.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) TO '{out}' (FORMAT parquet, COMPRESSION zstd)
"""


def duckdb_ingest(raw: str, out: str) -> None:
    import duckdb

    files = repr(sorted(map(str, Path(raw, "training_set").iterdir())))
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    duckdb.execute(DUCKDB_INGEST.format(memory=MEMORY, files=files, columns=columns, out=out))


def duckdb_features(plays: str, out: str, tracks: str) -> None:
    import duckdb

    contexts = " ".join(f"WHEN '{name}' THEN {n}" for n, name in enumerate(CONTEXTS, 1))
    duckdb.execute(DUCKDB_FEATURES.format(
        memory=MEMORY, plays=f"{plays}/**/*.parquet", out=out, tracks=tracks, contexts=contexts, shrink=SHRINK
    ))  # fmt: skip


def polars_ingest(raw: str, out: str) -> None:
    import polars as pl

    kinds = {"VARCHAR": pl.String, "BIGINT": pl.Int64, "BOOLEAN": pl.Boolean, "DATE": pl.String}
    rows = pl.scan_csv(f"{raw}/training_set/*.csv.gz", schema={n: kinds[k] for n, k in COLUMNS.items()},
                       include_file_paths="file")  # fmt: skip
    day = pl.col("file").str.extract(r"_(\d{8})_").str.to_date("%Y%m%d")
    whole = {
        "session_id": "session_id", "position": "session_position", "track": "track_id_clean", "hour": "hour_of_day",
        "context": "context_type", "context_switch": "context_switch", "no_pause": "no_pause_before_play",
        "short_pause": "short_pause_before_play", "long_pause": "long_pause_before_play",
        "reason_start": "hist_user_behavior_reason_start", "reason_end": "hist_user_behavior_reason_end",
        "n_seeks_forward": "hist_user_behavior_n_seekfwd", "n_seeks_back": "hist_user_behavior_n_seekback",
        "session_length": "session_length",
    }  # fmt: skip
    flags = {"shuffle": "hist_user_behavior_is_shuffle", "premium": "premium", "skipped": "skip_2", "skip_1": "skip_1",
             "skip_3": "skip_3", "not_skipped": "not_skipped"}  # fmt: skip
    made = rows.select(
        **{name: pl.col(told) for name, told in whole.items()}, day=day, end_day=day,
        weekday=pl.col("date").str.to_date("%Y-%m-%d").dt.weekday().cast(pl.Int64) - 1,
        **{name: pl.col(told).cast(pl.Int64) for name, told in flags.items()},
        first_of_track=pl.struct("session_id", "track_id_clean").is_first_distinct().cast(pl.Int64),
    )  # fmt: skip
    made.sink_parquet(out, compression="zstd", engine="streaming")


def polars_features(plays: str, out: str, tracks: str) -> None:
    import polars as pl

    c = pl.col
    # rows lie by session and position, as they were written
    rows = pl.scan_parquet(plays if plays.endswith(".parquet") else f"{plays}/**/*.parquet")
    daily = rows.group_by("track", "day").agg(n=pl.len().cast(pl.Int64), k=c("skipped").sum()).sort("track", "day")
    history = daily.select(
        "track", "day", n=c("n").cum_sum().over("track") - c("n"), k=c("k").cum_sum().over("track") - c("k")
    )
    days = rows.group_by("day").agg(n=pl.len().cast(pl.Int64), k=c("skipped").sum()).sort("day").select(
        "day", all_n=c("n").cum_sum() - c("n"), all_k=c("k").cum_sum() - c("k"))  # fmt: skip
    done, fwd = ((c("reason_end") == word).cast(pl.Int64) for word in ("trackdone", "fwdbtn"))

    def before(x: pl.Expr) -> pl.Expr:
        return x.cum_sum() - x

    one = pl.lit(1, pl.Int64)
    n = (c("position").cum_count() - 1).cast(pl.Int64)
    kept_at = (
        pl.when(c("skipped") == 0)
        .then(c("position").cum_count().cast(pl.Int64))
        .fill_null(0)
        .cum_max()
        .shift(1)
        .fill_null(0)
    )
    same = {k: (before(c("skipped").fill_null(0)).over("session_id", k), before(one + 0 * c("position")).over("session_id", k))
            for k in ("track", "context")}  # fmt: skip
    made = rows.with_columns(
        last_skipped=c("skipped").shift(1).over("session_id"), second_last_skipped=c("skipped").shift(2).over("session_id"),
        skip_rate_of_session=(before(c("skipped")) / n).over("session_id"),
        skip_rate_of_last_5=(c("skipped").rolling_mean(5, min_samples=1).shift(1)).over("session_id"),
        skip_run=(n - kept_at).over("session_id"),
        last_skipped_at_once=c("skip_1").shift(1).over("session_id"), last_heard_out=c("not_skipped").shift(1).over("session_id"),
        trackdone_rate=(before(done) / n).over("session_id"),
        last_ended_trackdone=done.shift(1).over("session_id"), last_ended_fwdbtn=fwd.shift(1).over("session_id"),
        position_in_session=c("position"), night=((c("hour") < 6) | (c("hour") > 21)).cast(pl.Int64),
        plays_of_track_so_far=same["track"][1], skip_rate_of_track_so_far=same["track"][0] / same["track"][1],
        skip_rate_of_context_so_far=same["context"][0] / same["context"][1],
        context=c("context").replace_strict({name: i for i, name in enumerate(CONTEXTS, 1)}, default=0, return_dtype=pl.Int64),
    ).join(history, on=["track", "day"], how="left").join(days, on="day", how="left").join(
        pl.scan_parquet(tracks).select("track", c("acousticness").round(3)), on="track", how="left"
    )  # fmt: skip
    rate = (c("k") * c("all_n") + SHRINK * c("all_k")) / ((c("n") + SHRINK) * c("all_n"))
    made = made.with_columns(plays_of_track=c("n"), skip_rate_of_track=pl.when(c("all_n") > 0).then(rate))
    exact = [c(name).cast(pl.Float32).fill_nan(None) for name in FEATURES]
    made.select("session_id", "position", "day", *exact, label=c("skipped")).sink_parquet(
        out, compression="zstd", engine="streaming"
    )


def pandas_ingest(raw: str, out: str) -> None:
    import pandas as pd

    Path(out).mkdir()
    kinds = {"BIGINT": "int64", "BOOLEAN": "bool"}
    for path in sorted(Path(raw, "training_set").iterdir()):
        rows = pd.read_csv(path, dtype={n: kinds[k] for n, k in COLUMNS.items() if k in kinds}, parse_dates=["date"])
        rows["first_of_track"] = (~rows.duplicated(["session_id", "track_id_clean"])).astype("int64")
        rows["weekday"] = rows["date"].dt.weekday
        rows.to_parquet(Path(out, path.name.replace(".csv.gz", ".parquet")), compression="zstd")


def inflate(raw: str, out: str) -> None:
    from isal import igzip

    for path in sorted(Path(raw, "training_set").iterdir()):
        with igzip.open(path) as source:
            while source.read(1 << 20):
                pass


if __name__ == "__main__":
    peer, work, *given = sys.argv[1:]
    works = {
        "duckdb ingest": duckdb_ingest, "duckdb features": duckdb_features, "polars ingest": polars_ingest,
        "polars features": polars_features, "pandas ingest": pandas_ingest, "igzip inflate": inflate,
    }  # fmt: skip
    works[f"{peer} {work}"](*given)
