"""What is in a collection of recordings: how many of which kind, what could not be read, and how tempo, key and level spread."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from segue.figures import draw
from segue.figures.collection import MUSIC, Collection, Floats
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.nearness import NOT_SHARES, key_names, plain, signature, signature_name, spoken
from segue.figures.scope import MOST_ROWS, brief, halves

WORDS = {"music": "music", "speech": "speech", "other": "other sounds", "": "of no known kind", "error": "not read"}
SOUNDS_LIKE = {"speech": "it sounds like speech", "other": "it sounds like no music"}
BINS = {"tempo": 5.0, "loudness": 1.0}  # width of a bar, at least
MOST_BARS = 40
NAMED = 2  # recordings that are left out, in a sentence; how many there are stands above it


def kinds(of: Collection) -> Figure:
    counts = Counter("error" if why else kind for why, kind in zip(of.errors, of.kinds, strict=True))
    order = [k for k in (*WORDS, *sorted(set(counts) - set(WORDS))) if counts[k]]
    rows: Rows = [{"kind": WORDS.get(k, k), "recordings": counts[k], "share": counts[k] / len(of)} for k in order]
    said = "" if order == [""] else ": " + ", ".join(f"{counts[k]:,} {WORDS.get(k, k)}" for k in order)
    left_out = sum(n for k, n in counts.items() if k not in (*MUSIC, "error"))
    finding = f"{recordings(len(of))}{said}."
    if left_out:
        others = "other is" if left_out == 1 else "others are"
        finding += f" Tempo, key and neighbours are told of music: the {left_out:,} {others} left out of what follows."
    return Figure(
        "What is in this collection?", finding, rows, recordings(len(of)), None if len(rows) == 1 else _upright(rows),
        "A bar for each kind of sound, and one for what could not be read.",
        "A few rules of its sound tell whether a recording is music; they can be wrong." if set(counts) - {"", "error"} else "",
    )  # fmt: skip


def apart(of: Collection) -> Figure:
    """The recordings that are not compared, and why."""
    rows: Rows = [
        {"recording": halves(of.names[i]), "said": brief(of.errors[i] or SOUNDS_LIKE.get(of.kinds[i], of.kinds[i]), 200)}
        for i in range(len(of)) if of.errors[i] or of.kinds[i] not in MUSIC
    ]  # fmt: skip
    if not rows:
        raise NothingToSay("all of its recordings could be read, and none is known to be no music")
    told = [f"{row['recording']}: {brief(row['said'], 80)}" for row in rows[:NAMED]]
    if len(rows) > NAMED:
        told.append(f"and {len(rows) - NAMED:,} more")
    return Figure(
        "What is left out, and why?", f"{'; '.join(told)}.", rows[:MOST_ROWS], recordings(len(of)), units={"said": "why"},
    )  # fmt: skip


def tempo(of: Collection) -> Figure:
    known = of.value("tempo")[of.music]
    known = known[np.isfinite(known)]
    return _spread(
        of, "tempo", known, "How fast is it?", "tempo, beats per minute",
        "A beat may be told at half or double the speed at which a person taps.",
    )  # fmt: skip


def loudness(of: Collection) -> Figure:
    known = of.value("loudness")[of.music]
    known = known[np.isfinite(known)]
    made = _spread(
        of, "loudness", known, "How loud is it?", "loudness, dB (integrated, LUFS, where measured from sound)", ""
    )
    wide = float(np.ptp(known))
    also = f" From the softest to the loudest are {wide:.0f} dB" + (
        ": they need a player that evens them out." if wide > 8 else "."
    )
    return _with(made, also) if len(known) > 1 else made


def keys(of: Collection) -> Figure:
    names = key_names(of)
    some = [i for i in of.music if names[i]]
    if not some:
        raise NothingToSay("the key of none of its recordings is known")
    key, mode = of.value("key")[some], of.value("mode")[some]
    kind = np.where(mode == 1, "major", np.where(mode == 0, "minor", "mode not known"))
    shown = [k for k in ("major", "minor", "mode not known") if k in kind]
    rows: Rows = []
    place = signature(key, mode)
    for turn in range(12):
        for k in shown:
            n = int(((place == turn) & (kind == k)).sum())
            if n:
                rows.append({"tones of": signature_name(turn), "mode": k, "recordings": n})
    often = Counter(names[i] for i in some).most_common(1)[0]
    minor = float((mode == 0).mean())
    finding = f"The commonest key is {often[0]}, of {often[1]:,} of {len(some):,} recordings; {minor:.0%} are in minor."
    if len(some) == 1:
        finding = f"It is in {often[0]}."
    return Figure(
        "In which keys is it?", finding, rows, recordings(len(some)), _on_fifths(rows),
        "A bar for each pair of keys that have the same tones, in the order of fifths: what is in major upwards, in minor "
        "downwards.",
        "Keys side by side share all tones but one: songs in them follow each other well. The key is the descriptor that is told "
        "worst; a major key and the minor one with its tones are confused most.",
    )  # fmt: skip


def shares(of: Collection) -> Figure:
    """The descriptors from 0 to 1: where the middle of the collection lies, and most of it."""
    rows: Rows = []
    for name, value in of.sound.items():
        known = value[of.music]
        known = known[np.isfinite(known)]
        if name not in NOT_SHARES and not name.startswith("acoustic_vector") and len(known):
            low, middle, high = np.quantile(known, [0.1, 0.5, 0.9])
            rows.append(
                {"descriptor": plain(name), "median": middle, "low": low, "high": high, "recordings": len(known)}
            )
    if not rows:
        raise NothingToSay(
            "without a bundle only tempo, key and loudness are told: give one, as segue audio train makes it, to hear energy, "
            "valence and their like"
        )
    rows.sort(key=lambda row: -row["median"])
    most, least = rows[0], rows[-1]
    finding = f"The median is highest of {most['descriptor']}, {spoken('', most['median'])}, "
    finding += f"and lowest of {least['descriptor']}, {spoken('', least['median'])}."
    return Figure(
        "How does it sound?", finding, rows, recordings(max(r["recordings"] for r in rows)),
        draw.ranked(rows, "descriptor", "median", "from 0 to 1", low="low", high="high"),
        "A line for each descriptor: its median as a point, and from its 10th to its 90th percentile.",
        "A line reaches from the tenth to the ninetieth percentile of the recordings.",
        {"low": "10th percentile", "high": "90th percentile"},
    )  # fmt: skip


def _spread(of: Collection, name: str, known: Floats, question: str, title: str, note: str) -> Figure:
    if not len(known):
        raise NothingToSay(f"the {name} of none of its recordings is known")
    middle = spoken(name, float(np.median(known)))
    if len(known) == 1:
        return Figure(
            question, f"{middle[0].upper()}{middle[1:]}.", [{name: float(known[0])}], "1 recording", note=note
        )
    bars = float(np.clip(3 * len(known) ** 0.5, 6, MOST_BARS))
    width = BINS[name] * max(1.0, float(np.ceil(np.ptp(known) / BINS[name] / bars)))
    edges = np.arange(np.floor(known.min() / width), np.floor(known.max() / width) + 2) * width
    counts = np.histogram(known, edges)[0]
    rows: Rows = [
        {"from": float(a), "to": float(b), "recordings": int(n)}
        for a, b, n in zip(edges, edges[1:], counts, strict=False)
    ]
    low, high = (spoken(name, float(q)) for q in np.quantile(known, [0.1, 0.9]))
    finding = f"The median {name} is {middle}" + (
        f"; eight of ten recordings lie between {low} and {high}." if len(known) >= 10 else "."
    )
    alt = draw.altair()
    at = draw.axis(title, values=edges.tolist()) if len(edges) < 20 else draw.axis(title)
    x = alt.X("from:Q", bin="binned", axis=at, scale=alt.Scale(zero=False, nice=False))
    most = int(counts.max())
    few = {"values": list(range(most + 1))} if most < 8 else {}
    whole = draw.axis("recordings", format=",d", **few)
    return Figure(
        question, finding, rows, f"{recordings(len(known))} of which it is known",
        draw.histogram(rows, "from", "to", "recordings", "", "").encode(x, alt.Y("recordings:Q", axis=whole)),
        f"Bars of {width:g} over the {name}, with the number of recordings in each.", note,
    )  # fmt: skip


def _with(figure: Figure, more: str) -> Figure:
    from dataclasses import replace

    return replace(figure, finding=figure.finding + more)


def recordings(n: int) -> str:
    return f"{n:,} recording{'s' * (n != 1)}"


def _upright(rows: Rows) -> Any:
    return draw.bars(rows, "kind", "recordings", "kind of sound", "recordings").properties(width=420, height=180)


def _on_fifths(rows: Rows) -> Any:
    """Bars for major, and what is of no known mode, upwards; for minor downwards: colour is not the only sign."""
    alt = draw.altair()
    names = list(dict.fromkeys(row["mode"] for row in rows))
    hues = {"major": draw.COLOURS[0], "minor": draw.COLOURS[1], "mode not known": draw.COLOURS[4]}
    order = [signature_name(turn) for turn in range(12)]
    drawn = [row | {"up": -row["recordings"] if row["mode"] == "minor" else row["recordings"]} for row in rows]
    both = "minor" in names and len(names) > 1
    axis = draw.axis("recordings: in major up, in minor down" if both else "recordings", tickMinStep=1,
                     labelExpr="format(abs(datum.value), ',d')")  # fmt: skip
    across = draw.axis(
        "keys with the same tones, in the order of fifths", labelAngle=-40, labelOverlap=False, domain=False
    )
    return alt.Chart(draw.values(drawn), width=draw.WIDTH, height=220).mark_bar().encode(
        alt.X("tones of:N", sort=order, scale=alt.Scale(domain=order), axis=across),
        alt.Y("up:Q", axis=axis),
        alt.Color("mode:N", title=None, scale=alt.Scale(domain=names, range=[hues[n] for n in names]),
                  legend=alt.Legend(orient="top")),
    )  # fmt: skip
