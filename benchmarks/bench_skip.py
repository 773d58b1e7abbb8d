"""Every skip model in both worlds, beside the rebuilt winner, the baselines and the ceilings; each result is kept in a table.

    make bench-skip                                             40,000 training sessions, 90 minutes a model at most (a day)
    python benchmarks/bench_skip.py --quick                     10,000 training sessions, 25 minutes a model at most (two hours)
    python benchmarks/bench_skip.py --ablation                  our network with each of its ingredients taken away
    python benchmarks/bench_skip.py --show                      what the table holds, without running anything
    python benchmarks/bench_skip.py --seeds 3 --at-once 7 --minutes 7 --table benchmarks/results/skip_gpu.csv     on a GPU

Interrupted, it goes on with the first result that the table lacks (--table another.csv begins anew). Minutes are of processor
time, on a GPU of the clock: seconds of fits that share one are no measure of it (benchmarks/bench_gpu.py is). A row is a model, a
seed and its settings, fitted on the first days of a world (seed 1), stopped and calibrated on the next, and scored on the last,
expected under the world's truth. Differences are paired by session, with Holm's correction over the models of a world.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import metrics, registry, splits
from segue.batch import Batch
from segue.exam import Answer, Exam, resampling
from segue.experiment import answered_by, fitted, own_batch, prepare
from segue.intervals import holm
from segue.library import Library, open_library
from segue.models.course import Run
from segue.scores import FLOOR
from segue.simulate.mssd import simulate
from segue.splits import TEST, TRAIN, VALID, Split
from segue.truth import Truth, open_truth

HERE = Path(__file__).parent
TABLE = HERE / "results" / "skip.csv"
CACHE = Path(os.environ.get("SEGUE_CACHE", HERE.parent / ".cache")) / "bench-skip"
MODELS = ("prior", "repeat-last", "logistic", "boosting", "lstm", "bilstm", "gru", "layered-lstm", "seq2seq", "one-input-lstm",
          "fusion", "winner2019", "attention", "blend")  # fmt: skip
MATTER = ("boosting", "winner2019", "attention")  # are fitted with several seeds
ABLATION = {
    "without own features": {"own_features": False}, "without co-listening vectors": {"vectors": 0},
    "without tastes": {"tastes": 0}, "one temper": {"tempers": 1}, "without moods": {"moods": 1},
    "without levels and tastes' own loss": {"auxiliary": 0.0}, "without averaging": {"average": 0.0},
    "without jitter": {"jitter": 0}, "with position weights": {"loss": "position"}, "one block": {"layers": 1},
    "without attention": {"layers": 0},
}  # fmt: skip
KEY = ("world", "setting", "model", "variant", "seed", "train", "test", "minutes")
DECIDES = {"challenge": "maa", "online": "log_loss", "last": "log_loss"}


def world_of(world: str, sessions: int) -> tuple[Library, Truth]:
    """A simulated world and its library, made once."""
    draw = SHARED.get("draw", 1)
    place = CACHE / (f"{world}-{sessions}" + (f"-draw-{draw}" if draw != 1 else ""))
    if not (place / "library" / "manifest.json").is_file():
        simulate(world, place / "raw", sessions=sessions, days=14, seed=draw, test_sessions=0, overwrite=True)
        segue.ingest("mssd", [place / "raw"], place / "library", overwrite=True)
    return open_library(place / "library"), open_truth(place / "raw" / "truth")


def sessions_of(batch: Batch, cut: Split, train: int, test: int) -> Split:
    """At most so many sessions to train on and to be asked; a tenth as many as trained on, or 4,000, for validation."""
    rng, role = np.random.default_rng(0), cut.role.copy()
    for which, n in ((TRAIN, train), (VALID, max(1000, min(4000, train // 10))), (TEST, test)):
        session = np.unique(batch.keys["session"][role == which])
        chosen = rng.permutation(session)[:n]
        role[(role == which) & ~np.isin(batch.keys["session"], chosen)] = splits.HISTORY
    return Split(role, cut.sentence)


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.open(encoding="utf-8"))) if table.is_file() else []


def append(table: Path, row: dict[str, Any]) -> None:
    """Add a row, aside first: an interrupted run leaves no half row."""
    rows = [*rows_of(table), {k: str(v) for k, v in row.items()}]
    columns = list(dict.fromkeys(c for r in rows for c in r))
    table.parent.mkdir(exist_ok=True)
    aside = table.with_suffix(".part")
    with aside.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    aside.replace(table)


def marks_file(row: dict[str, Any]) -> Path:
    told = [str(row[k]) for k in KEY] + ([row["gpu"]] if row.get("gpu") else [])
    return CACHE / SHARED.get("marks", "marks") / ("_".join(told).replace(" ", "-").replace("=", "-") + ".npz")


def one(
    prepared: Any, cut: Split, exam: Exam, name: str, settings: dict[str, Any], seed: int, minutes: float
) -> dict[str, Any]:
    """Fit and score one model: the row's numbers, and the marks of every session."""
    task, decides = prepared.asking.task.name, exam.wanted[0]
    clock = time.perf_counter if gpu() else time.process_time
    begun = clock()
    own = own_batch(prepared, name)
    run = Run(told=lambda line: print(f"  {name}: {line}", flush=True) if ": loss" in line else None, minutes=minutes)
    fits, _, seeds = fitted(task, name, own, cut, decides, budget=2, seed=seed, settings=settings, run=run)
    fit_seconds = clock() - begun
    begun = time.perf_counter()
    answer = answered_by(name, fits, own.take(cut.rows(TEST)), exam.wanted, seeds)
    each = 1000 * (time.perf_counter() - begun) / len(np.unique(exam.held.keys["session"]))
    return scored(exam, answer) | {
        "fit_seconds": round(fit_seconds), "predict_ms_per_session": round(each, 3),
        "kilobytes": round(sum(a.nbytes for a in fits[0].save()[1].values()) / 1024), **told_of(fits[0]),
        "_marks": exam.marks(answer)[decides][0],
    }  # fmt: skip


def told_of(fit: Any) -> dict[str, Any]:
    about = getattr(fit, "about", None) or {}
    if "epochs" not in about:
        return {}
    done = np.cumsum([line["work_seconds"] for line in about["epochs"]])
    curve = " ".join(
        f"{line.get('maa', line['log_loss']):.4f}@{s:.0f}" for line, s in zip(about["epochs"], done, strict=True)
    )
    return {"parameters": about["parameters"], "epochs": len(about["epochs"]), "best_epoch": about["best_epoch"], "curve": curve,
            "ece_valid_before": round(about.get("ece_before", np.nan), 4),
            "ece_valid_after": round(about.get("ece_after", np.nan), 4)}  # fmt: skip


def scored(exam: Exam, answer: Answer) -> dict[str, Any]:
    expected, happened = exam.marks(answer), exam.realised(answer)
    found = {f"expected_{k}": round(float(v.mean()), 5) for k, v in expected.items() if k in ("maa", "fpa", "log_loss")}
    found |= {
        f"realised_{k}": round(float(v.mean()), 5) for k, v in happened.items() if k in ("maa", "fpa", "log_loss")
    }
    calibration = metrics.calibration(answer.p[0], exam.held.label)
    return found | {"ece": round(calibration.ece, 4), "ece_floor": round(calibration.floor, 4)}


def compared(
    world: str, setting: str, asked: argparse.Namespace, plan: list[tuple[str, str, dict[str, Any], int]]
) -> None:
    """Everything that the table lacks of one world in one setting."""
    keys = [{"world": world, "setting": setting, "model": m, "variant": v, "seed": s, "train": asked.train, "test": asked.test,
             "minutes": asked.minutes} for m, v, _, s in plan]  # fmt: skip
    have = {tuple(r[k] for k in KEY) for r in rows_of(asked.table)}
    todo = [(key, p) for key, p in zip(keys, plan, strict=True) if tuple(str(key[k]) for k in KEY) not in have]
    if not todo:
        return
    # of the days, about three fifths train and a fifth is the test
    library, truth = world_of(world, max(int(asked.train / 0.55), int(asked.test / 0.17)))
    models = [replace(registry.model("skip", m)(), **s) for _, (m, _, s, _) in todo]
    prepared = prepare("skip", library, setting, models=models)
    cut = sessions_of(prepared.batch, splits.by_time(prepared.batch.keys), asked.train, asked.test)
    held = prepared.batch.take(cut.rows(TEST))
    exam = Exam(held, tuple(prepared.asking.setting.metrics), resampling(held, draws=300, seed=0),
                truth.of(held.keys, setting, held.label) if setting != "last" else None)  # fmt: skip
    decides = DECIDES[setting]
    (CACHE / SHARED["marks"]).mkdir(parents=True, exist_ok=True)
    if exam.truth is not None:
        for name, answer in exam.truth.ceilings().items():
            key = {**keys[0], "model": name, "variant": "", "seed": 0}
            if tuple(str(key[k]) for k in KEY) not in have:
                np.savez(marks_file(key), marks=exam.marks(answer)[decides][0])
                append(asked.table, {**key, **scored(exam, answer)})
    SHARED.update(prepared=prepared, cut=cut, exam=exam, minutes=asked.minutes)
    for (key, (_, _, settings, _)), row in zip_as_done(todo, asked.at_once):
        np.savez(marks_file({**key, **row}), marks=row.pop("_marks"))
        append(asked.table, {**key, **row, "settings": " ".join(f"{k}={v}" for k, v in settings.items())})
    for of_this_world in ("prepared", "cut", "exam"):
        del SHARED[of_this_world]


SHARED: dict[
    str, Any
] = {}  # what a world's fits have in common, and where a table's marks lie: forked processes inherit it


def zip_as_done(todo: list[Any], at_once: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each thing to do with its row: one after the other or, several at once, as they are done."""
    if at_once == 1:
        yield from ((each, fit_one(*each)) for each in todo)
        return
    fork = multiprocessing.get_context("fork")  # before any of them looks at the GPU
    with ProcessPoolExecutor(at_once, mp_context=fork) as pool:
        running = {pool.submit(fit_one, *each): each for each in todo}
        failed = []
        for done in as_completed(running):
            if done.exception():
                failed.append(f"{running[done][1]}: {done.exception()!r}")
                print(failed[-1], file=sys.stderr, flush=True)
            else:
                yield running[done], done.result()
        if failed:
            sys.exit(f"{len(failed)} fits failed")


def fit_one(key: dict[str, Any], planned: tuple[str, str, dict[str, Any], int]) -> dict[str, Any]:
    name, variant, settings, seed = planned
    print(f"{key['world']}, {key['setting']}: {name} {variant} seed {seed}", flush=True)
    return (
        one(SHARED["prepared"], SHARED["cut"], SHARED["exam"], name, settings, seed, SHARED["minutes"])
        | versions()
        | ({"gpu": card} if (card := gpu()) else {})
    )


def gpu() -> str:
    """The name of the GPU that networks are trained on, if there is one."""
    try:
        import torch
    except ImportError:
        return ""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def versions() -> dict[str, str]:
    found = {"segue": segue.__version__, "python": platform.python_version(), "cores": str(os.cpu_count())}
    for name in ("numpy", "lightgbm", "torch", "onnxruntime"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def show(asked: argparse.Namespace) -> None:
    """The table, with each model's share of the attainable gain and its difference to ours, paired by session."""
    rows = [r for r in rows_of(asked.table) if (r["train"], r["test"]) == (str(asked.train), str(asked.test))]
    for world, setting, minutes in dict.fromkeys((r["world"], r["setting"], r["minutes"]) for r in rows):
        mine = [r for r in rows if (r["world"], r["setting"], r["minutes"]) == (world, setting, minutes)]
        decides = DECIDES[setting]
        sign = 1 if decides == "maa" else -1
        column = f"{'realised' if setting == 'last' else 'expected'}_{decides}"
        value = {r["model"]: float(r[column]) for r in mine if not r["variant"]}
        floor, ceiling = value.get(FLOOR), value.get("ceiling")
        print(f"\n{world}, {setting}: trained on {asked.train:,} sessions, asked about {asked.test:,}; "
              f"no epoch is begun after {minutes} minutes {clock_of(mine[-1])}")  # fmt: skip
        own = [r for r in mine if r["model"] == "attention" and r["seed"] == "0"]
        ours = min(own, key=lambda r: bool(r["variant"]), default=None)  # as it is, or as it was varied first
        told = []
        for r in mine:
            told.append((r, difference(ours, r, sign)))
        adjusted = iter(holm([d[3] for _, d in told if d is not None]).tolist())
        print("model | seed | MAA | FPA | log-loss | ECE (floor) | share of gain | attention is better by | p (Holm) | "
              f"fit {'' if mine[-1].get('gpu') else 'CPU '}s | "
              "ms a session | kB | weights | best epoch")  # fmt: skip
        for r, d in told:
            share = "" if floor is None or ceiling is None else f"{(float(r[column]) - floor) / (ceiling - floor):.3f}"
            better, p = ("", "") if d is None else (f"{d[0]:+.4f} [{d[1]:+.4f}, {d[2]:+.4f}]", p_shown(next(adjusted)))
            kind = "realised" if setting == "last" else "expected"
            print(" | ".join([
                f"{r['model']} {r['variant']}".strip(), r["seed"], r.get(f"{kind}_maa") or "", r.get(f"{kind}_fpa") or "",
                r[f"{kind}_log_loss"], f"{r['ece']} ({r['ece_floor']})", share, better, p, r.get("fit_seconds") or "",
                *(r.get(k) or "" for k in ("predict_ms_per_session", "kilobytes", "parameters", "best_epoch")),
            ]))  # fmt: skip
        for said in (sooner(mine), *over_seeds(mine, sign, column)):
            if said:
                print(said)


def over_seeds(rows: list[dict[str, str]], sign: int, column: str) -> Iterator[str]:
    """Of every model fitted with several seeds: its mean and range; by how much ours is better, each session's mean over seeds."""
    fits: dict[str, list[dict[str, str]]] = {}
    for r in rows:
        fits.setdefault(f"{r['model']} {r['variant']}".strip(), []).append(r)
    fits = {m: of for m, of in fits.items() if len(of) > 1}
    several = {m: of for m, of in fits.items() if all(marks_file(r).is_file() for r in of)}
    mean = {m: np.mean([np.load(marks_file(r))["marks"] for r in of], axis=0) for m, of in several.items()}
    for m, of in fits.items():
        value = [float(r[column]) for r in of]
        said = f"{m}, {len(of)} seeds: {column.replace('_', ' ')} {np.mean(value):.5f} ({min(value):.5f} to {max(value):.5f})"
        ours = next((name for name in mean if name.startswith("attention")), m)
        if m in several and m != ours:
            gain = sign * (mean[ours] - mean[m])
            error = 1.96 * gain.std() / np.sqrt(len(gain))
            said += (
                f"; attention is better by {gain.mean():+.4f} [{gain.mean() - error:+.4f}, {gain.mean() + error:+.4f}]"
            )
        yield said


def clock_of(row: dict[str, str]) -> str:
    return f"of the clock on one {row['gpu']} that fits may share" if row.get("gpu") else "of processor time"


def sooner(rows: list[dict[str, str]]) -> str:
    """When attention reaches the best validation score that the rebuilt winner ever reaches."""
    first = [r for r in rows if r["seed"] == "0" and r.get("curve") and r["model"] in ("attention", "winner2019")]
    curves: dict[str, list[tuple[float, float]]] = {}
    for r in sorted(first, key=lambda r: bool(r["variant"])):  # as they are, or as they were varied first
        points = (point.split("@") for point in r["curve"].split())
        curves.setdefault(r["model"], [(float(score), float(seconds)) for score, seconds in points])
    if len(curves) < 2:
        return ""
    score, seconds = max(curves["winner2019"])
    mine = next((s for value, s in curves["attention"] if value >= score), None)
    if mine is None:
        return f"attention does not reach winner2019's best validation score, {score}"
    return (f"winner2019 reaches its best validation score, {score}, after {seconds:.0f} s {clock_of(rows[-1])}; attention reaches "
            f"it after {mine:.0f} s ({mine / seconds:.3f} of that)")  # fmt: skip


def p_shown(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}"


def difference(
    ours: dict[str, str] | None, other: dict[str, str], sign: int
) -> tuple[float, float, float, float] | None:
    """By how much ours is better, its interval, and the chance of as much where nothing differs; paired by session."""
    if ours is None or other is ours or other["model"].startswith("ceiling"):
        return None
    files = [marks_file(ours), marks_file(other)]
    if not all(f.is_file() for f in files):
        return None
    one, two = (np.load(f)["marks"] for f in files)
    gain = sign * (one - two)
    mean, error = float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))
    z = mean / error if error else 0.0
    from math import erfc, sqrt

    return mean, mean - 1.96 * error, mean + 1.96 * error, erfc(abs(z) / sqrt(2))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--ablation", action="store_true")
    ask.add_argument("--show", action="store_true", help="run nothing")
    ask.add_argument("--world", choices=tuple(registry.WORLDS))
    ask.add_argument("--setting", default="challenge", choices=tuple(DECIDES))
    ask.add_argument("--models", default=",".join(MODELS))
    ask.add_argument("--seeds", type=int, default=1, help="of those that --several names")
    ask.add_argument("--several", default=",".join(MATTER), help="models that are fitted with so many seeds")
    ask.add_argument("--train", type=int, default=0)
    ask.add_argument("--test", type=int, default=0)
    ask.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="of processor time (on a GPU: of the clock) after which no epoch is begun",
    )
    ask.add_argument("--at-once", type=int, default=1, help="fits at a time, in processes of their own")
    ask.add_argument(
        "--variant", action="append", default=[], metavar="MODEL: NAME=VALUE …", help="one more fit, repeatable"
    )
    ask.add_argument("--table", type=Path, default=TABLE)
    ask.add_argument(
        "--draw",
        type=int,
        default=1,
        help="of listeners: settings are chosen on another than the committed tables are of",
    )
    asked = ask.parse_args()
    its_own = (
        f"skip_draw{asked.draw}.csv" if asked.draw != 1 else TABLE.name
    )  # settings are chosen by it; no table mixes draws
    is_kept, is_drawn = asked.table.resolve().parent == TABLE.resolve().parent, asked.table.name.startswith("skip_draw")
    if is_kept and (is_drawn or asked.draw != 1) and asked.table.name != its_own:
        sys.exit(
            f"--draw {asked.draw}: {asked.table.name} is of another draw; name {its_own}, or one elsewhere, with --table"
        )
    SHARED["draw"] = asked.draw
    asked.train, asked.test = (
        asked.train or (10_000 if asked.quick else 40_000),
        asked.test or (10_000 if asked.quick else 20_000),
    )
    asked.minutes = asked.minutes or (25.0 if asked.quick else 90.0)
    plan: list[tuple[str, str, dict[str, Any], int]] = []
    for name in asked.models.split(","):
        plan += [(name, "", {}, seed) for seed in range(asked.seeds if name in asked.several.split(",") else 1)]
    if asked.ablation:
        plan = [("attention", "", {}, 0), *(("attention", what, change, 0) for what, change in ABLATION.items())]
    print(
        " ".join(f"{k} {v}" for k, v in versions().items() if v)
    )  # and not the GPU: what is forked is to find it untouched
    of_table = [asked.table.stem] if asked.table.stem != TABLE.stem else []
    SHARED["marks"] = "-".join(["marks", *of_table, *([f"draw-{asked.draw}"] if asked.draw != 1 else [])])
    plan += [varied(text) for text in asked.variant]
    if not asked.show:
        for world in (asked.world,) if asked.world else tuple(registry.WORLDS):
            compared(world, asked.setting, asked, plan)
    show(asked)


def varied(text: str) -> tuple[str, str, dict[str, Any], int]:
    """A fit as `--variant` names it, "attention: hidden_size=192 layers=4"."""
    name, _, settings = text.partition(":")
    known = registry.model("skip", name)()
    told = dict(one.split("=", 1) for one in settings.split() if "=" in one)
    if not told or set(told) - set(vars(known)):
        sys.exit(
            f'--variant {text!r}: expected a model and what is changed of it, as in "attention: moods=12 epochs=20"'
        )
    kinds = {k: type(getattr(known, k)) for k in told}
    return (
        name,
        settings.strip(),
        {k: v in ("1", "True") if kinds[k] is bool else kinds[k](v) for k, v in told.items()},
        0,
    )


if __name__ == "__main__":
    sys.exit(main())
