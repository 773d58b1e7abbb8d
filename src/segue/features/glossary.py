"""Every feature in words: what it measures, what it may see, which settings grant it. The page is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from segue import registry
from segue.features.feature import Feature, collect
from segue.tasks.task import Task

_VIEWS = ("now", "past", "recent", "sessions", "history", "queue", "session")
_PAGE = """\
# The features

<!-- made by scripts/feature_page.py: change the features, not this page -->

{n} features in {groups} groups, one file each in `src/segue/features`. `segue list features` prints them,
`segue features LIBRARY -o examples/` writes them as tables (see [examples](examples.md)), and
[no looking ahead](no-looking-ahead.md) says why none of them can.

**May see** says which views a feature looks into, and which columns there. Nothing else can move it, which law 1 checks.

| view | what it shows |
|---|---|
| now | the asked play, as its start tells it |
| past | plays of this session that have ended |
| recent | the listener's last plays before this session, at most 64 |
| sessions | the listener's last sessions that had ended when this one began, at most 64 |
| history | earlier days: plays and skips of a key, from sessions that had ended before the day on which this one started |
| queue | the other asked plays, their content only |
| session | what was known when the session started |

**Granted in** names the settings that have it (`segue list tasks`); *with* says what must be asked for, as in
`--with reason_start`, and *by name* that it was made for another question and is built only where `--features` names it. Every
feature can be unknown: null in a table, never 0 by default. A *share* lies between 0 and 1, a *flag* is 0 or 1, a *category* is
the number of its value (below), 0 for any other value.
"""


def groups() -> dict[str, list[Feature]]:
    """The registered features by group, each in the first group that has it."""
    seen: set[str] = set()
    found = {}
    for group, address in registry.FEATURES.items():
        own = [f for f in collect([registry.load(address)]).values() if f.name not in seen]
        seen |= {f.name for f in own}
        found[group] = own
    return found


def sees(feature: Feature) -> str:
    """The views that a feature looks into, and the columns there.

    >>> sees(registry.features()["skip_rate_of_artist_so_far"])
    'now: artist; past: artist, skipped'
    >>> sees(registry.features()["skip_rate_of_track"])
    'history: by track, of all'
    """
    told, needs = [], feature.needs
    for view in _VIEWS:
        names = sorted({name for v, name in needs if v == view})
        if view == "history":
            by = [f"by {' × '.join(name.split(','))}" for name in names if name]
            told += [f"history: {', '.join(by + ['of all'] * ('' in names))}"] if names else []
        elif names:
            columns = [name for name in names if name]
            many = "sessions" if view == "sessions" else "plays"
            told.append(f"{view}: {', '.join(_shortened(columns)) or f'how many {many}'}")
    return "; ".join(told) or "nothing"


def _shortened(names: list[str]) -> list[str]:
    """acoustic_vector_0, … acoustic_vector_7 as one; `age` as what it is."""
    numbered = [name for name in names if re.fullmatch(r"acoustic_vector_\d", name)]
    if len(numbered) > 2:
        names = [name for name in names if name not in numbered[1:]]
        names[names.index(numbered[0])] = f"{numbered[0]} to {numbered[-1][-1]}"
    return ["plays back" if name == "age" else name for name in names]


def granted_in(feature: Feature, task: Task) -> list[str]:
    """The settings that grant a feature, with what they grant on request only."""
    found = []
    for setting in task.settings.values():
        if not setting.refuses(feature):
            found.append(setting.name)
        elif not setting.refuses(feature, setting.options):
            needed = [o for o in setting.options if setting.refuses(feature, [x for x in setting.options if x != o])]
            found.append(f"{setting.name} with {', '.join(needed)}")
    return found


def page() -> str:
    """docs/features.md."""
    by_group = groups()
    every = [f for own in by_group.values() for f in own]
    text = [_PAGE.format(n=len(every), groups=len(by_group))]
    for group, own in by_group.items():
        says = (registry.load(registry.FEATURES[group]).__doc__ or "").strip().split("\n")[0]
        rows = [(f"`{f.name}`", f.unit, sees(f), _settings(f), f.sentence) for f in own]
        text += [
            f"## {group}\n\n{says}\n",
            _table(("feature", "unit", "may see", "granted in", "what it measures"), rows),
        ]
    categories = [(f"`{f.name}`", ", ".join(f"{i} {v}" for i, v in enumerate(f.domain, 1))) for f in every if f.domain]
    if categories:
        text += ["## Categories\n", _table(("feature", "numbers and values"), categories)]
    return "\n".join(text)


def _settings(feature: Feature) -> str:
    tasks = [(name, granted_in(feature, registry.task(name))) for name in registry.TASKS]
    several = len(tasks) > 1
    told = [(name + ", by name" * (feature.task not in ("", name)), ", ".join(said)) for name, said in tasks if said]
    return "; ".join(f"{name}: {said}" if several else said for name, said in told)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
