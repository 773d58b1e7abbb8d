"""How contests of how long they stay, and answers to it, look in a terminal."""

from __future__ import annotations

from typing import Any

from segue.display import print_json, print_table, say
from segue.intervals import Interval
from segue.stay_contest import MARK, Stays
from segue.stay_scores import NAMES

CEILINGS = {"truth": "truth's", "learned": "learnable"}


def number(x: Interval | None, places: int = 2) -> str:
    return "" if x is None else f"{x.value:.{places}f} [{x.low:.{places}f}, {x.high:.{places}f}]"


def show_stays(found: Stays, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    rows, timed = [], found.decides == "crps_min"
    for s in found.scores:
        every = s.by_group["all"]
        row = {"model": s.model}
        for metric in ("crps_min", "mae_min", "crps_tracks", "mae_tracks", "coverage", "width_min"):
            if metric in found.scores[-1].by_group["all"] or metric in every:
                is_point = metric.startswith("crps") and not s.is_curve
                places = 3 if metric == "coverage" else 2
                row[NAMES[metric]] = "" if is_point or metric not in every else (
                    f"{every[metric].value:.{places}f}" if metric in ("mae_tracks", "width_min") else number(every[metric], places)
                )  # fmt: skip
        rows.append(row)
    about = found.about
    print_table(
        rows,
        f"{about['source']}: how long they stay, {about['test_sessions']:,} sessions of the test, at the start and later",
    )
    unit = "min" if timed else "tracks"
    rows, known = [], {s.model for s in found.scores}
    for s in found.scores:
        row = {"model": s.model, "MAE / user mean's": number(s.relative.get("user-mean")),
               "MAE / user median's": number(s.relative.get("user-median")), f"CRPS gained on {MARK}, {unit}": number(s.gain),
               "p (Holm)": "" if s.p_holm is None else f"{s.p_holm:.3f}"}  # fmt: skip
        row |= {f"share of the {words} gain": number(s.share.get(c)) for c, words in CEILINGS.items() if c in known}
        row |= {"Uno's C": _plain(s.concordance, 3), "Brier": _plain(s.brier, 4), "fit s": _plain(s.fit_seconds, 1),
                "µs an answer": _plain(s.answer_us, 0)}  # fmt: skip
        rows.append(row)
    print_table(rows, f"Beside the listener's own mean and median, and beside {MARK}")
    wanted = [g for g in found.scores[0].by_group if g != "all"]
    rows = [{"model": s.model, **{g: f"{s.by_group[g]['mae_min' if not s.is_curve and timed else found.decides].value:.2f}"
                                  if s.is_curve or timed else f"{s.by_group[g]['mae_tracks'].value:.2f}" for g in wanted}}
            for s in found.scores]  # fmt: skip
    print_table(
        rows,
        f"CRPS in {unit} (of one number: its absolute error) by plays heard, and by sessions of the listener before",
    )
    curves = [s for s in found.scores if s.covers is not None and s.model not in CEILINGS]
    if curves:
        _show_calibration(curves[-1])
    _say_about(found)


def _show_calibration(s: Any) -> None:
    rows = [{"predicted median, min": f"{m / 60:.1f}", "80 % intervals promise": f"{p:.3f}", "they cover": f"{f:.3f}",
             "examples": f"{n:,}"} for m, p, f, n in zip(*s.covers, strict=True)]  # fmt: skip
    for t, of in s.soon.items():
        for row, promised, was in zip(rows, of.promised, of.found, strict=True):
            row |= {f"gone in {t // 60} min: said": f"{promised:.3f}", f"{t // 60} min: were": f"{was:.3f}"}
    print_table(rows, f"{s.model}: do its promises hold? By decile of the predicted median")


def _plain(x: float, places: int) -> str:
    return "" if x != x else f"{x:,.{places}f}"


def _say_about(found: Stays) -> None:
    about = found.about
    people = (
        f"{about['listeners']:,} listener{'s' * (about['listeners'] != 1)}" if about["listeners"] else "nobody known"
    )
    still = "cut off" if about["window"] else "still open when the log ends"
    share = about["censored"] / max(1, about["sessions"])
    say(f"{about['sessions']:,} sessions of {people}, {about['censored']:,} of them ({share:.1%}) {still}. "
        f"Split {about['split']}.")  # fmt: skip
    say(f"Asked at the start, at the end of the first plays and further apart later. In all, {about['weighted']}. "
        f"Intervals {about['intervals']}.")  # fmt: skip
    if about["window"]:
        low, high = about["window"]
        say(f"These data hold no session of under {low} plays and cut others at {high}: the hazard alone is known, from play {low} "
            f"on. CRPS and MAE are of sessions that ended before play {high}, which flatters whoever says short; compare by the "
            "Brier score, which is weighted for those that were cut.")  # fmt: skip
    for name, why in about["not_installed"].items():
        say(f"{name} is left out: {why}")


def show_trained_stays(made: Any, out: Any, as_json: bool) -> None:
    card = made.card
    if as_json:
        print_json(card)
        return
    rows = []
    for s in [*card["baselines"], card["score"]]:
        every = s["by_group"]["all"]
        shown = {m: v for m in ("crps_min", "mae_min", "crps_tracks", "mae_tracks", "coverage") if (v := every.get(m))}
        if not s["is_curve"]:
            shown = {m: v for m, v in shown.items() if not m.startswith("crps")}
        rows.append(
            {
                "model": s["model"],
                **{NAMES[m]: number(Interval(**v), 3 if m == "coverage" else 2) for m, v in shown.items()},
            }
        )
    told = [NAMES[m] for m in NAMES if any(NAMES[m] in row for row in rows)]
    print_table(
        [{"model": row["model"], **{t: row.get(t, "") for t in told}} for row in rows],
        f"{out}: {card['task']}, {card['setting']}",
    )
    n = card["sessions"]
    trained, tested = (" to ".join(card[f"{what}_on_days"]) for what in ("trained", "tested"))
    say(
        f"Split {card['split']}. Trained on {trained}, tested on {tested}: {n['trained on']:,} and {n['tested on']:,} sessions."
    )


def show_prediction(answer: Any) -> None:
    for line in repr(answer).splitlines():
        say(line)
    for unit, points in answer.curve.items():
        shown = [(x, p) for x, p in points if x in (1, 2, 5, 10, 20, 30, 60, 120)]
        say(f"still here after {unit}: {', '.join(f'{x:g} {p:.0%}' for x, p in shown)}")
