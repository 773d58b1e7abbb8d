"""How descriptors of sounds, and the models that tell them, look in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from segue.display import interval as shown
from segue.display import print_json, print_table, say
from segue.sound_contest import ALL, Described, Scored, unlearnable

if TYPE_CHECKING:
    from segue.described_files import DescribedFiles
    from segue.describing import DescriptorBundle

SHORT = {"acousticness": "acoustic", "danceability": "dance", "instrumentalness": "instrum.", "speechiness": "speech",
         ALL: "mean"}  # fmt: skip


def show_compared(found: Described, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    about = found.about
    names = [n for n in found.scores[0].nmse if n != ALL]
    if names:
        order = [*names, ALL]
        of = f"{about['tracks']:,} tracks, {about['groups']:,} groups"
        _models(
            found, order, lambda s, n: str(s.nmse[n]), f"nMSE on tracks held back: 1 is no better than their mean. {of}"
        )
        _models(found, order, lambda s, n: _plain(s.r2(n).value), "R² on tracks held back: 1 − nMSE")
        _models(found, order, lambda s, n: _plain(s.nmse_train[n]), "nMSE on the tracks it learned from")
        _models(
            found,
            names,
            lambda s, n: f"{s.coverage[n]:.2f} ({s.width[n]:.2f})",
            "Bounds that promise .90: they hold (how wide they are)",
        )
    _show_others(found)
    say(f"{about['tested']:,} tracks tested. {about['split'][0].upper()}{about['split'][1:]}; a group: {about['grouped_by']}. "
        f"Intervals: {about['intervals']}.")  # fmt: skip
    say("Seconds to fit: " + ", ".join(f"{s.model} {s.fit_seconds:.1f}" for s in found.scores) + ".")
    show_counts(about.get("counts", {}))
    if about.get("permuted"):
        say("Every track has the descriptors of another: no model should gain anything.")
    elif names:
        say(unlearnable(found))


def _models(found: Described, names: Sequence[str], cell: Callable[[Scored, str], str], title: str) -> None:
    """A row a model, a column a target."""
    print_table([{"model": s.model, **{SHORT.get(n, n): cell(s, n) for n in names}} for s in found.scores], title)


def _show_others(found: Described) -> None:
    if any(s.tempo for s in found.scores):
        told = {"accuracy_1": "within 4 %", "accuracy_2": "octaves allowed", "median_octaves": "median error, octaves",
                "median_folded": "folded"}  # fmt: skip
        print_table(
            [{"model": s.model, **{t: _plain(s.tempo[k]) for k, t in told.items()}} for s in found.scores], "tempo"
        )
    for name in found.scores[0].classes:
        told = {"right": "right", "commonest": "commonest", "log_loss_share": "log-loss / that of the shares"}
        rows = [{"model": s.model, **{t: _plain(s.classes[name][k]) for k, t in told.items()}} for s in found.scores]
        print_table(rows, name)
    for s in found.scores:
        if s.importance:
            rows = [
                {"permuted": g, **{SHORT.get(n, n): _plain(v) for n, v in by.items()}} for g, by in s.importance.items()
            ]
            print_table(rows, f"{s.model}: nMSE that is added where a group of columns is permuted")


def show_counts(counts: Mapping[str, Any]) -> None:
    if not counts:
        return
    rejected = sum(counts["rejected"].values())
    say(f"Table: {counts['rows']:,} rows = {counts['joined']:,} learned from + {rejected:,} rejected.")
    for reason, n in counts["rejected"].items():
        typer.echo(f"  {n:,} rejected: {reason}")
    if "files" in counts:
        n, no_row, again = (counts[k] for k in ("files", "files_of_no_row", "files_of_a_row_again"))
        say(f"{n:,} files, {no_row:,} of them of no row, {again:,} of a row that has another.")
    for name, why in list(counts.get("unreadable", {}).items())[:5]:
        typer.echo(f"  {name}: {why}")


def show_trained(made: DescriptorBundle, out: Any, as_json: bool) -> None:
    card = made.card
    if as_json:
        print_json(card)
        return
    scores = {s["model"]: s for s in card["contest"]["scores"]}
    own = scores[card["model"]]
    rows = []
    for n, interval in own["nmse"].items():
        rows.append({
            "descriptor": "mean of these" if n == ALL else n, "nMSE": shown(interval),
            "R²": _plain(1 - interval["value"]), "nMSE in training": _plain(own["nmse_train"][n]),
            "nMSE of the mean": _plain(scores["mean"]["nmse"][n]["value"]) if "mean" in scores else "",
            "bounds hold": f"{own['coverage'][n]:.2f}" if n in own["coverage"] else "",
        })  # fmt: skip
    print_table(
        rows, f"{out}: {card['model']} on {card['reads']}, {card['tracks']:,} tracks, {card['groups']:,} groups"
    )
    for name, c in own["classes"].items():
        say(f"{name}: {c['right']:.0%} right; the commonest is {c['commonest']:.0%}.")
    show_counts(card["counts"])
    say(f"A group: {card['grouped_by']}. Scores are of tracks whose group was held back.")
    if card["not_learnt"]:
        say(f"Left unsaid, for it could not be learnt: {', '.join(card['not_learnt'])}.")


def show_described(made: DescribedFiles, as_json: bool) -> None:
    if as_json:
        print_json(made.to_json())
        return
    if len(made.errors) == made.files:  # whoever asked is told in one line
        return
    from segue.figures.scope import halves

    rows = []
    for row in made.rows[:20]:
        told = {SHORT.get(n, n): _short(row[n]) for n in made.described}
        rows.append({"file": halves(row["file"].rpartition("/")[2], 40), "kind": row["kind"], **told})
    print_table(rows, f"{made.path}: {made.files:,} file{'' if made.files == 1 else 's'}")
    if len(made.rows) > 20:
        say("The first 20 are shown.")
    if made.taken_up:
        say(f"{made.taken_up:,} of them were described by a run that was interrupted.")
    for name, why in list(made.errors.items())[:10]:
        typer.echo(f"  not read: {name}: {why}")
    no_music = {k: n for k, n in made.kinds.items() if k != "music"}
    if no_music:
        say(
            f"Not music, so that what is said of it means little: {', '.join(f'{n:,} {k}' for k, n in no_music.items())}."
        )
    say(f"Next: segue ingest LOGS -o library/ --tracks {made.path}")


def _plain(x: float) -> str:
    return f"{x:.3f}" if x == x else ""


def _short(text: str) -> str:
    return f"{float(text):.2f}" if "." in text else text
