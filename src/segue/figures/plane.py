"""Tracks in few dimensions: how many they truly have, what those say, and a plane to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from segue import schema
from segue.errors import MissingExtra
from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import shown
from segue.figures.scope import MOST_ROWS, Scope, brief, named_track, scale, well_known

MOST, MOST_FAST = 20_000, 5_000  # tracks that components are made from
SHUFFLES = 20  # a component stands out that no shuffle reaches: by chance, once in 20 times
MAPPED, MAPPED_FAST = 2_000, 1_000  # tracks on a map, which takes a second for every 250
NEIGHBOURS = 15
PLAYED = 10  # plays below which a share of skips is mostly chance
ABOUT = ("track", "artist", "title")
SKIPS = "skip rate"
HEARD = 0.4  # correlations with a component that words are made of: a sixth of the attribute's variance


@dataclass(frozen=True)
class _Columns:
    """Attributes of drawn tracks as columns of mean 0 and variance 1, one row a track."""

    names: list[str]
    values: Any
    drawn: dict[str, Any]
    logs: list[str]
    least_known: int

    @property
    def n(self) -> str:
        often = f" played {self.least_known} times or more" if self.least_known else ""
        return f"{len(self.values):,} tracks{often} of which all {len(self.names)} columns are known, drawn by md5"

    @property
    def note(self) -> str:
        found = "Columns have mean 0 and variance 1"
        if self.logs:
            found += f"; in logs, for their long tails: {', '.join(map(_words, self.logs))}"
        if "key, sine" in self.names:
            found += "; the key, which goes round, is its sine and cosine"
        return found + "."


def _columns(scope: Scope, most: int, *, least_known: int = 0) -> _Columns:
    """The columns of at most so many tracks, of those that were played `least_known` times with a label."""
    scope.needs_attributes(3)
    known = well_known(scope, scope.tracks, [*scope.attributes, *(a for a in schema.TRACKS if "vector" in a)])
    more = [*known, *ABOUT, "n_known", "n_skipped"]
    drawn = scope.arrays(scope.drawn_tracks(most, more, known=known, least_known=least_known), more)
    if len(drawn[known[0]]) < 30:
        raise NothingToSay("fewer than 30 of its tracks know the same attributes")
    made: dict[str, Any] = {}
    logs = []
    for name in known:
        x = drawn[name]
        if name == "key":
            made |= {"key, sine": np.sin(x * np.pi / 6), "key, cosine": np.cos(x * np.pi / 6)}
        elif name == "mode":
            made["major"] = x
        elif name == "time_signature":
            made["four beats a bar"] = (x == 4).astype(float)
        else:
            made[name] = (of := scale(x)).on(x)
            logs += [name] if of.way else []
    made = {name: (x - x.mean()) / x.std() for name, x in made.items() if x.std() > 1e-9}
    if len(made) < 3:
        raise NothingToSay("fewer than 3 attributes of its tracks vary")
    return _Columns(list(made), np.stack(list(made.values()), axis=1), drawn, logs, least_known)


def _words(name: str) -> str:
    return name.replace("_", " ")


# ── principal components ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Components:
    """Principal components, largest first, beside those of the same columns shuffled (Horn, Psychometrika 30, 1965)."""

    share: Any  # of the variance, for each component
    loadings: Any  # correlation of each column with each component; the strongest of a component is positive
    shuffled: float  # the largest share of any component of any shuffle
    n_told: int  # components, from the first on, that hold more


def _components(columns: _Columns, rng: np.random.Generator) -> _Components:
    x = columns.values
    size, vectors = np.linalg.eigh(_correlation(x))
    size, vectors = np.maximum(size[::-1], 0), vectors[:, ::-1]
    shuffled = max(float(np.linalg.eigvalsh(_correlation(rng.permuted(x, axis=0)))[-1]) for _ in range(SHUFFLES))
    loadings = vectors * np.sqrt(size)
    strongest = loadings[np.abs(loadings).argmax(axis=0), np.arange(len(size))]
    share = size / len(size)
    return _Components(
        share, loadings * np.where(strongest < 0, -1, 1), shuffled / len(size), int((size > shuffled).sum())
    )


def _both(scope: Scope) -> tuple[_Columns, _Components]:
    def made() -> tuple[_Columns, _Components]:
        columns = _columns(scope, MOST_FAST if scope.wishes.fast else MOST)
        return columns, _components(columns, scope.rng("components"))

    found: tuple[_Columns, _Components] = scope.once("components", made)
    return found


def _correlation(x: Any) -> Any:
    return x.T @ x / len(x)


def components(scope: Scope) -> Figure:
    columns, found = _both(scope)
    cumulative = np.minimum(np.cumsum(found.share), 1)
    k, reach = len(columns.names), int((cumulative < 0.9).sum()) + 1
    rows = [
        {"component": i + 1, "share": float(found.share[i]), "shuffled": found.shuffled,
         "cumulative": float(cumulative[i])} for i in range(k)
    ]  # fmt: skip
    all_of_it = f"all {k}" if k < 30 else "30"
    finding = f"{reach} of {k} components hold 90 % of the variance ({all_of_it} hold {shown(float(cumulative[min(k, 30) - 1]))})"
    if found.n_told:
        finding += f"; the first {found.n_told} ({shown(cumulative[found.n_told - 1])}) stand out from shuffled columns"
        finding += f", and the first alone holds {shown(found.share[0])}."
    else:
        finding += "; none stands out from shuffled columns: the attributes are unrelated as far as can be told."
    return Figure(
        "How many dimensions do tracks have?", finding, rows, columns.n, chart=_scree(rows),
        alt="Two pictures over the number of the component: its share of the variance beside the largest that shuffled columns "
        "gave, falling; and the share that all up to it hold, rising to 1 past a line at 90 %.",
        note=f"{columns.note} Shuffled: the largest share of any component in {SHUFFLES} shuffles of each column by itself; "
        "what is not above it may be noise.",
        units={"share": "share of variance", "shuffled": "of shuffled columns, at most", "cumulative": "share with those before"},
    )  # fmt: skip


def _scree(rows: Rows) -> Any:
    alt = draw.altair()
    kinds = {"share": "tracks", "shuffled": "shuffled columns, at most"}
    tidy = [
        {"component": r["component"], "share of variance": r[k], "of": name} for k, name in kinds.items() for r in rows
    ]
    names, ticks = list(kinds.values()), {"format": "d", "tickMinStep": 1}
    wide = alt.Scale(zero=False, nice=False, padding=8)
    across = alt.X("component:Q", axis=draw.axis("component, largest first", **ticks), scale=wide)
    single = alt.Chart(draw.values(tidy), width=draw.WIDTH, height=190).mark_line(point={"filled": True, "size": 30}).encode(
        across, alt.Y("share of variance:Q", axis=draw.axis("share of variance", format="%")),
        *(of("of", names).legend(orient="top") for of in (draw.colour, draw.dash)),
    )  # fmt: skip
    base = alt.Chart(draw.values(rows), width=draw.WIDTH, height=150)
    points, up = (
        {"filled": True, "size": 30, "color": draw.COLOURS[0]},
        draw.axis("share with those before", format="%"),
    )
    whole = alt.Y("cumulative:Q", axis=up, scale=alt.Scale(domain=[0, 1]))
    rising = base.mark_line(color=draw.COLOURS[0], point=points).encode(across, whole)
    rule = alt.Chart(draw.values([{"at": 0.9}])).mark_rule(color=draw.MUTED, strokeDash=[4, 3]).encode(alt.Y("at:Q"))
    return alt.vconcat(single, alt.layer(rising, rule))


def loadings(scope: Scope) -> Figure:
    columns, found = _both(scope)
    shown_n = min(5, found.n_told)
    if not shown_n:
        raise NothingToSay("none of the components of its tracks' attributes stands out from noise")
    matrix = found.loadings[:, :shown_n]
    order = np.lexsort((-np.abs(matrix).max(axis=1), np.abs(matrix).argmax(axis=1)))
    heads = [f"{i + 1} ({shown(found.share[i])})" for i in range(shown_n)]
    rows = [
        {"attribute": _words(columns.names[c]), "component": heads[i], "loading": float(matrix[c, i])}
        for c in order for i in range(shown_n)
    ]  # fmt: skip
    said = [f"{i + 1} ({shown(found.share[i])}): {_said(columns.names, matrix[:, i])}" for i in range(shown_n)]
    return Figure(
        "What do the first dimensions say?", "; ".join(said) + ".", rows, columns.n, chart=_heat(rows, heads),
        alt=f"A cell for each of {len(columns.names)} columns and each of {shown_n} components, coloured and numbered by their "
        "correlation, from -1 to 1.",
        note=f"{columns.note} Said are columns whose correlation with the component is at least {HEARD}, strongest first; the sign "
        f"of a component is free, and here the strongest is up. {found.n_told} components stand out from shuffled columns.",
        units={"component": "component (share of variance)", "loading": "correlation"},
    )  # fmt: skip


def _said(names: list[str], loading: Any) -> str:
    """A component in words: "energy and loudness up, acousticness down"."""
    order = [i for i in np.argsort(-np.abs(loading), kind="stable") if abs(loading[i]) >= HEARD]
    if not order:
        return f"a little of many, most {_words(names[int(np.abs(loading).argmax())])}"
    sides = {way: [_words(names[i]) for i in order if (loading[i] > 0) == (way == "up")] for way in ("up", "down")}
    return ", ".join(f"{_listed(of)} {way}" for way, of in sides.items() if of)


def _listed(names: list[str]) -> str:
    left_out = [f"{len(names) - 4} more"] if len(names) > 5 else []
    names = names[: 4 if left_out else 5] + left_out
    return " and ".join(([", ".join(names[:-1])] if names[:-1] else []) + names[-1:])


def _heat(rows: Rows, heads: list[str]) -> Any:
    alt = draw.altair()
    attributes = list(dict.fromkeys(row["attribute"] for row in rows))
    cells = draw.heat(rows, "component", "attribute", "loading", "correlation", x_order=heads, y_order=attributes,
                      x_title="component (share of variance)", diverging=True, cell=22)  # fmt: skip
    cells = cells.properties(width=alt.Step(58))
    # words on a cell are dark or light with the cell, not with the page
    numbers = alt.Chart(draw.values(rows)).mark_text(fontSize=10).encode(
        alt.X("component:N", sort=heads), alt.Y("attribute:N", sort=attributes), alt.Text("loading:Q", format=".2f"),
        color=alt.condition("abs(datum.loading) > 0.6", alt.value("white"), alt.value("black")),
    )  # fmt: skip
    return alt.layer(cells, numbers)


# ── a map ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def drawn(scope: Scope) -> Figure:
    """Tracks on a plane, those alike near each other: a drawing only."""
    from sklearn.manifold import trustworthiness

    columns, by, value = _mapped(scope)
    x = columns.values
    seed = int(scope.rng("map").integers(2**31))
    plane, made_by = flattened(x, scope.wishes.map, seed)
    near = min(NEIGHBOURS, len(x) // 2 - 1)
    _, vectors = np.linalg.eigh(_correlation(x))
    kept = {"map": plane, "components": x @ vectors[:, -2:]}
    trust = {name: float(trustworthiness(x, at, n_neighbors=near)) for name, at in kept.items()}
    if by == "key":  # that which has the same tones as one: a third of the keys would say nothing
        kind, third, names = by, *_tones(value, columns.drawn.get("mode"))
    else:
        kind, third = "third", np.searchsorted(np.quantile(value, [1 / 3, 2 / 3]), value)
        names = [f"lowest third of {by}", f"middle third of {by}", f"highest third of {by}"]
    order = sorted(range(min(MOST_ROWS, len(x))), key=lambda i: third[i])
    rows = [
        {"track": brief(named_track({c: columns.drawn[c][i] for c in ABOUT})), "x": float(plane[i, 0]), "y": float(plane[i, 1]),
         kind: names[third[i]], **({by: float(value[i])} if kind != by else {})} for i in order
    ]  # fmt: skip
    finding = f"A drawing only: that neighbours on it are neighbours in truth has a trustworthiness of {trust['map']:.2f} of 1, "
    finding += f"on the first two principal components {trust['components']:.2f}; "
    told = by if kind == by else f"third of {by}"
    if by == SKIPS:
        finding += f"{_gathering(x, third, near, scope.rng('gathering'))}."
    else:
        finding += f"shape and colour are {'keys' if kind == by else f'thirds of {by}'}, one of its columns."
    chart = draw.scatter(rows, "x", "y", "no unit: only who is near whom counts", "", by=kind, bare=True)
    return Figure(
        "Which tracks sound alike?", finding, rows,
        f"{columns.n}; {len(rows)} of them drawn", chart=chart,
        alt=f"A cloud of {len(rows)} tracks on a plane, those alike near each other, told apart by their {told}.",
        note=f"{columns.note} The plane is {made_by}: who is near whom can be trusted as far as said, "
        "while the sizes of clumps, the distances between them and the directions mean nothing. Trustworthiness and shared "
        f"thirds are of the {near} nearest." + (" Keys that have the same tones count as one." if kind == by else ""),
        units={"x": "x, no unit", "y": "y, no unit"},
    )  # fmt: skip


def flattened(x: Any, how: str, seed: int) -> tuple[Any, str]:
    """Rows on a plane, (N, 2), and by what."""
    if how == "umap":
        try:
            from umap import UMAP
        except ImportError as cause:
            raise MissingExtra("umap-learn", "umap") from cause
        near = min(15, len(x) - 1)
        return UMAP(n_neighbors=near, random_state=seed, n_jobs=1).fit_transform(x), f"UMAP's, {near} neighbours"
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(x) - 1) / 4)
    made = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=seed).fit_transform(x)
    return made, f"t-SNE's, perplexity {perplexity:.0f}"


def _mapped(scope: Scope) -> tuple[_Columns, str, Any]:
    """The tracks of the map, by what they are coloured, and its value: of the skip rate where enough of them are played often."""
    most = MAPPED_FAST if scope.wishes.fast else MAPPED
    if scope.tells_skips and scope.wishes.attribute != "key":
        t = scope.tracks
        often = t.filter((t.n_known >= PLAYED) & t[scope.needs_attributes(3)[0]].notnull())
        if scope.one(often.agg(n=often.count()))["n"] >= most // 10:
            columns = _columns(scope, most, least_known=PLAYED)
            return columns, SKIPS, columns.drawn["n_skipped"] / columns.drawn["n_known"]
    columns = _columns(scope, most)
    known = [name for name in (scope.wishes.attribute, *scope.attributes) if name in columns.drawn]
    return columns, _words(known[0]), columns.drawn[known[0]]


def _tones(key: Any, mode: Any) -> tuple[Any, list[str]]:
    """The place of each key on the circle of fifths, and what the twelve places are called."""
    from segue.figures.nearness import signature, signature_name

    return signature(key, mode).astype(int), [signature_name(turn) for turn in range(12)]


def _gathering(x: Any, third: Any, near: int, rng: np.random.Generator) -> str:
    """Whether the nearest tracks, by all columns, are of the same third more often than thirds dealt anew would be."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=near).fit(x).kneighbors(return_distance=False)
    share = float((third[nearest] == third[:, None]).mean())
    dealt = [rng.permutation(third) for _ in range(200)]
    chance = np.array([(one[nearest] == one[:, None]).mean() for one in dealt])
    told = (
        f"the tracks nearest to a track are of its third of {SKIPS} in {shown(share)}, by chance {shown(chance.mean())}"
    )
    return told if not chance.min() <= share <= chance.max() else f"{told}: no difference can be told"
