"""A bundle: a trained answer as a folder of data. Never code, never a listener's data, never half written.

card.json             what it answers, how it was trained, how well it did
features.json         the trees of its features
model.json            the model's plain settings      model.safetensors      its arrays
network.onnx          the network, where the model is one
history.safetensors   plays and skips per track and artist, as of a day
tracks.safetensors    attributes of tracks, where a feature asks for them
catalogue.safetensors names of tracks, to be searched; none where the library names who listened
baselines.*           the baselines fitted on the same days, likewise
golden.json           made-up requests and the answers they gave when it was written
hashes.json           of all the others
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from segue import registry, schema
from segue.batch import Array
from segue.catalogue import FIELDS, MOST, Catalogue, catalogue
from segue.errors import AskedWrongly, BadInput, Tampered
from segue.features import tree
from segue.features.build import Ask
from segue.features.feature import Feature
from segue.features.history import By, History, Snapshot, is_personal
from segue.features.steps import Steps, check
from segue.live import EPOCH, Bundle, vocabulary
from segue.mapped import mapped
from segue.sealed import AGAIN, DAMAGE, flat, sealed, standing, verify, write_json

FORMAT = 1
NETWORK = ".onnx"  # how the names of arrays end that are files of their own


def save(
    path: str | Path, *, asking: Ask, model: str, fitted: Any, history: History, tracks: Any, card: dict[str, Any],
    baselines: Mapping[str, Any] | None = None, names: Any = None, overwrite: bool = False,
) -> Bundle:  # fmt: skip
    """Write a bundle aside, check that it opens and answers its golden requests, then rename it.

    Parameters
    ----------
    names : a table of tracks whose names may be told to whoever has the bundle; None: nobody's tracks are named
    """
    from safetensors.numpy import save_file

    def fill(aside: Path) -> None:
        settings, arrays = fitted.save()
        shared = {by: h for by, h in history.items() if not is_personal(by)}
        words = vocabulary(tracks, [n for n in asking.columns if n in schema.TRACKS])
        written = tree.to_json({n: f.tree for n, f in asking.features.items()})
        written["about"] = {n: [f.unit, f.sentence, list(f.domain)] for n, f in asking.features.items()}
        whole = card | {"format": FORMAT, "task": asking.task.name, "setting": asking.setting.name, "model": model,
                        "options": list(asking.options), "steps": asdict(asking.steps) if asking.steps else None}  # fmt: skip
        write_json(aside / "card.json", whole)
        write_json(aside / "features.json", written)
        write_json(aside / "model.json", settings)
        networks = {name: a for name, a in arrays.items() if name.endswith(NETWORK)}
        for name, content in networks.items():
            (aside / name).write_bytes(np.asarray(content, np.uint8).tobytes())
        save_file(flat({k: a for k, a in arrays.items() if k not in networks}), aside / "model.safetensors")
        marks = {name: one.save() for name, one in (baselines or {}).items()}
        write_json(aside / "baselines.json", {name: said for name, (said, _) in marks.items()})
        save_file(flat({f"{n}|{k}": a for n, (_, held) in marks.items() for k, a in held.items()}),
                  aside / "baselines.safetensors")  # fmt: skip
        parts = {
            f"{','.join(by)}|{field}": getattr(h, field)
            for by, h in shared.items()
            for field in ("keys", "n", "k", "day")
        }
        save_file(flat(parts), aside / "history.safetensors")
        save_file(flat(words), aside / "tracks.safetensors")
        named = named_tracks(names, shared.get(("track",)))
        save_file(flat(named), aside / "catalogue.safetensors")
        bundle = kind_of(asking.task.name)(
            whole,
            asking,
            fitted,
            {by: h for by, h in shared.items() if isinstance(h, Snapshot)},
            words,
            {},
            Catalogue(named),
        )
        golden = [{"request": r, "answer": bundle.predict(r).to_json()} for r in _requests(asking.setting.moments)]
        write_json(aside / "golden.json", golden)

    made: Bundle = sealed(path, overwrite, fill, open_bundle)
    return made


def open_bundle(path: str | Path, *, checked: bool = False) -> Bundle:
    """Open a bundle, trusting nothing in it.

    Parameters
    ----------
    checked : whoever started this process has compared the files with their hashes just now

    Raises
    ------
    AskedWrongly : there is none
    Tampered : a file is missing, added, changed or damaged, or the golden requests are answered otherwise
    """
    from safetensors import SafetensorError

    folder = standing(path, "segue train skip (or length) LIBRARY -o NAME.bundle")
    if not checked:
        verify(folder)
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        written_in = card["format"]
    except DAMAGE as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    if card.get("task") == "next-track":
        raise AskedWrongly(f"{folder} is a bundle for next-track: give it to segue recommend, or to segue submit")
    if card.get("task") == "descriptors":
        raise AskedWrongly(
            f"{folder} is a bundle for descriptors: give it to segue audio describe, or to segue recommend --descriptors"
        )
    if written_in != FORMAT:
        raise BadInput(f"{folder} was written in format {written_in}, this segue reads {FORMAT}: train again")
    try:
        _check_card(card)
        written = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        trees = tree.from_json(written)
        features = {}
        for name, root in trees.items():
            unit, sentence, domain = written["about"][name]
            features[name] = Feature(name, str(unit), str(sentence), root, tuple(map(str, domain)))
        task = registry.task(card["task"])
        steps = card.get("steps")
        steps = steps and Steps(tuple(map(str, steps["past"])), tuple(map(str, steps["queue"])), int(steps["length"]))
        asking = Ask(task, task.setting(card["setting"]), features, tuple(card["options"]), steps)
        if steps:
            check(steps, asking.setting, features, asking.options)
        for feature in features.values():
            why = asking.setting.refuses(feature, asking.options)
            if why:
                raise Tampered(f"{folder}: feature {feature.name!r} looks ahead ({why}): {AGAIN}")
        settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        fitted = registry.model(card["task"], card["model"]).open(
            settings, _arrays(folder / "model.safetensors") | _networks(folder)
        )
        baselines = _baselines(folder, str(card["task"]))
        missing = [c for one in (fitted, *baselines.values()) for c in one.columns if c not in features]
        if missing:
            raise Tampered(f"{folder}: the model reads {missing[0]!r}, which is not among its features: {AGAIN}")
        bundle = kind_of(task.name)(card, asking, fitted, _history(folder), _tracks(folder), baselines,
                                    Catalogue(_named(folder / "catalogue.safetensors")))  # fmt: skip
        golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        if [case["request"] for case in golden] != _requests(asking.setting.moments):
            raise Tampered(f"{folder}: golden.json does not hold the golden requests: {AGAIN}")
        for case in golden:
            now, exact = bundle.predict(case["request"]).to_json(), task.answer == "bernoulli" and not steps
            _same(_numbers(now), _numbers(case["answer"]), folder, 1e-9 if exact else 1e-4)
    except (*DAMAGE, SafetensorError, AskedWrongly, BadInput) as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    return bundle


def kind_of(task: str) -> type[Bundle]:
    """The kind of bundle that answers a question."""
    if task == "length":
        from segue.staying import StayBundle

        return StayBundle
    return Bundle


def _numbers(answer: dict[str, Any]) -> list[float]:
    if "answers" in answer:
        return [a["probability"] for a in answer["answers"]]
    from segue.staying import numbers

    return numbers(answer)


def _same(now: list[float], then: list[float], folder: Path, within: float) -> None:
    """The numbers of a golden answer: chances to 1e-9, of a network or a curve, kept in 32 bits, to 1e-4: another machine's
    sums differ in their last bits."""
    if len(now) != len(then) or not all(abs(a - b) <= within for a, b in zip(now, then, strict=True)):
        raise Tampered(f"{folder} answers a golden request otherwise than when it was written: {AGAIN}")


def _arrays(path: Path) -> dict[str, Array]:
    from safetensors.numpy import load_file

    arrays: dict[str, Array] = load_file(path)
    return arrays


def _named(path: Path) -> dict[str, Array]:
    """Arrays that are looked into, not read: of millions of tracks. None where a bundle of long ago has no such file."""
    if not path.is_file() and path.name == "catalogue.safetensors":
        return {}
    return {name: a for name, a in mapped(path).items() if name != "empty"}


def named_tracks(tracks: Any, plays: Any = None) -> dict[str, Array]:
    """The names of tracks, those played most first; none where no table is known."""
    if tracks is None or not tracks.num_rows:
        return {}
    from segue.features.columns import from_arrow

    order = np.arange(tracks.num_rows)
    if isinstance(plays, Snapshot):
        key, _ = from_arrow(tracks, ["track"])["track"]
        order = np.argsort(-plays.find(key, np.zeros(len(key), np.int64))[0], kind="stable")
    chosen = tracks.take(order[:MOST])
    columns = [chosen[name].to_pylist() if name in chosen.column_names else [None] * len(chosen) for name in FIELDS]
    return catalogue(zip(*columns, strict=True))


def _networks(folder: Path) -> dict[str, Array]:
    found = {path.name: np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(folder.glob(f"*{NETWORK}"))}
    if other := sorted(set(found) - {f"network{NETWORK}"}):
        raise Tampered(f"{folder}: {other[0]} does not belong there: {AGAIN}")
    return found


def _baselines(folder: Path, task: str) -> dict[str, Any]:
    settings = json.loads((folder / "baselines.json").read_text(encoding="utf-8"))
    arrays = _arrays(folder / "baselines.safetensors")
    found = {}
    for name, said in settings.items():
        own = {key.split("|", 1)[1]: a for key, a in arrays.items() if key.startswith(f"{name}|")}
        found[name] = registry.model(task, name).open(said, own)
    return found


def _check_card(card: dict[str, Any]) -> None:
    """What is read of it later must be of the kind it was written in."""
    kinds = {"source_options": dict, "history_as_of_day": int, "history_as_of": str, "library": str, "best_baseline": str,
             "trained_on_days": list, "tested_on_days": list, "features": list, "baselines": list, "score": dict,
             "skip_rule": str}  # fmt: skip
    for name, kind in kinds.items():
        if type(card[name]) is not kind:
            raise TypeError(f"{name} of the card is {type(card[name]).__name__}, expected {kind.__name__}")
    if card["best_baseline"] not in [mark["model"] for mark in card["baselines"]]:
        raise ValueError(f"best baseline {card['best_baseline']!r} is none of its baselines")
    window = card.get("window")
    if window is not None and (type(window) is not list or [type(n) for n in window] != [int, int]):
        raise TypeError(f"window of the card is {window!r}, expected two numbers of plays")
    sample = card.get("sample")
    if sample is not None and [type(sample[name]) for name in ("asked", "of", "seed")] != [int, int, int]:
        raise TypeError(f"sample of the card is {sample!r}, expected whole numbers")
    if sample is not None and not (0 < sample["asked"] < sample["of"] and sample["seed"] >= 0):
        raise ValueError(f"sample of the card is {sample!r}, expected some of all sessions")
    ZoneInfo(card["source_options"].get("tz", "UTC"))
    date.fromordinal(card["history_as_of_day"] + EPOCH)


def _tracks(folder: Path) -> dict[str, Array]:
    tracks = _named(folder / "tracks.safetensors")
    key = tracks.get("track", np.zeros(0, np.int64))
    if any(a.shape != key.shape or a.dtype != (np.int64 if a is key else np.int32) for a in tracks.values()):
        raise Tampered(f"{folder}: the attributes of tracks are damaged: {AGAIN}")
    return tracks


def _history(folder: Path) -> dict[By, Snapshot]:
    parts = {k: v for k, v in mapped(folder / "history.safetensors").items() if "|" in k}
    found: dict[By, Snapshot] = {}
    for name in {k.rsplit("|", 1)[0] for k in parts}:
        keys, n, k, day = (parts[f"{name}|{field}"] for field in ("keys", "n", "k", "day"))
        if is_personal(tuple(name.split(","))):
            raise Tampered(f"{folder} holds history of listeners, which no bundle does: {AGAIN}")
        if any(a.dtype != np.int64 or a.shape != keys.shape or a.ndim != 1 for a in (keys, n, k, day)):
            raise Tampered(f"{folder}: history by {name!r} is damaged: {AGAIN}")
        if (keys[1:] <= keys[:-1]).any() or (n < 0).any() or (k < 0).any() or (k > n).any():
            raise Tampered(f"{folder}: history by {name!r} holds impossible counts: {AGAIN}")
        found[tuple(name.split(",")) if name else ()] = Snapshot(keys, n, k, day)
    return found


def _requests(moments: str) -> list[dict[str, Any]]:
    return [_golden(moments, n) for n in range(3)]


def _golden(moments: str, n: int) -> dict[str, Any]:
    """A made-up request: nobody's plays."""
    rng = np.random.default_rng(n)
    start = 1_700_000_000_000
    plays = []
    for i in range(4 * n):
        skipped = bool(rng.random() < 0.5)
        played = int(rng.integers(2_000, 20_000)) if skipped else 200_000
        plays.append({"track": f"golden-{rng.integers(6)}", "artist": f"golden-{rng.integers(3)}", "start_ms": start,
                      "end_ms": start + played, "played_ms": played, "skipped": skipped, "shuffle": i % 2 == 0,
                      "reason_end": "fwdbtn" if skipped else "trackdone", "context": "catalog"})  # fmt: skip
        start += played + 1000
    coming = {"track": "golden-1", "artist": "golden-1"}
    if moments == "last":
        return {"plays": plays, "next": coming}
    if moments == "start":
        hour = 3_600_000
        earlier = [{"start_ms": 1_700_000_000_000 - (n - i) * 24 * hour, "end_ms": 1_700_000_000_000 - (n - i) * 23 * hour,
                    "n_plays": 5 + i, "n_skipped": i} for i in range(2 * n)]  # fmt: skip
        return {"plays": plays, "earlier": earlier} | ({} if plays else {"start_ms": start, "context": "catalog"})
    if moments == "each":
        return {"plays": plays, "next": coming | {"start_ms": start, "shuffle": True, "context": "radio"}}
    return {"plays": plays, "queue": [coming] * (4 * n + 1)}
