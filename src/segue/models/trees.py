"""A forest of decision trees as plain arrays: checked, scored and explained here, with nothing to unpickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadInput, Tampered
from segue.models.bitwise import Masks, masks

if TYPE_CHECKING:
    import lightgbm

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

DTYPES: dict[str, np.dtype[Any]] = {
    **dict.fromkeys(("feature", "left", "right", "root"), np.dtype(np.int32)),
    **dict.fromkeys(("threshold", "value", "cover"), np.dtype(np.float64)),
    "missing_left": np.dtype(np.bool_),
}
LEAF = {"feature": -1, "threshold": 0.0, "left": -1, "right": -1, "missing_left": False, "value": 0.0}
BLOCK = 2**16  # float64s in one temporary: 512 KiB, which stays in cache
MAX_DEPTH = 256  # bounds the time a file can cost us; a tree of 257 leaves is never deeper
MAX_VALUE = 1e100  # no sum of 2**31 such leaves overflows
MIN_SHARE = 1e-15  # of a tree's rows, in one leaf: keeps every ratio of covers above zero
INFINITY = 1e300  # LightGBM writes an infinite threshold so, and sends an infinite value to its left
ZERO = float(np.float32(1e-35))  # LightGBM reads anything this close to zero as zero


@dataclass(frozen=True, eq=False)
class Trees:
    """What is the log-odds of a skip, and which feature moved it by how much?

    All nodes of all trees in one row of arrays, each tree a block that starts at its root; a child is an absolute
    index, always greater than its parent's. A leaf has feature, left and right -1. NaN in a feature means unknown.

    >>> stump = Trees(
    ...     feature=np.array([0, -1, -1], np.int32), threshold=np.array([0.5, 0.0, 0.0]),
    ...     left=np.array([1, -1, -1], np.int32), right=np.array([2, -1, -1], np.int32),
    ...     missing_left=np.array([True, False, False]), value=np.array([0.0, -1.0, 2.0]),
    ...     cover=np.array([4.0, 3.0, 1.0]), root=np.array([0], np.int32), bias=0.0, n_features=1)
    >>> stump.check()
    >>> stump.score(np.array([[0.5], [0.6], [np.nan]])).tolist()
    [-1.0, 2.0, -1.0]
    >>> contributions, base = stump.explain(np.array([[0.6]]))
    >>> base, contributions.round(12).tolist()  # base: (3 * -1 + 1 * 2) / 4
    (-0.25, [[2.25]])
    """

    feature: Ints  # -1 for a leaf
    threshold: Floats  # x <= threshold goes left
    left: Ints
    right: Ints
    missing_left: NDArray[np.bool_]  # where an unknown goes
    value: Floats  # of a leaf, in log-odds
    cover: Floats  # training rows that came through
    root: Ints  # the first node of each tree
    bias: float
    n_features: int

    @classmethod
    def from_lightgbm(cls, booster: lightgbm.Booster, objective: str = "binary sigmoid:1") -> Trees:
        """The trees of a binary booster, up to its best iteration. Raises BadInput for what these arrays cannot say.

        `objective` regression: the trees of one of numbers, which are then what `score` adds up.
        """
        dump = booster.dump_model()
        kind = f"{dump.get('objective')}{', averaged' * bool(dump['average_output'])}"
        if kind != objective or dump["num_tree_per_iteration"] != 1:
            raise BadInput(
                f"booster is {kind!r}: expected {objective!r}; train with objective='{objective.split()[0]}'"
            )
        if not dump["tree_info"]:
            raise BadInput("booster has 0 trees: expected at least 1; train it first")
        columns: dict[str, list[Any]] = {name: [] for name in DTYPES}
        for tree in dump["tree_info"]:
            columns["root"].append(len(columns["left"]))
            todo = [(tree["tree_structure"], "left", -1)]
            while todo:
                node, side, parent = todo.pop()
                i = len(columns["left"])
                for name, value in {**LEAF, **_columns(node)}.items():
                    columns[name].append(value)
                if parent >= 0:
                    columns[side][parent] = i
                if "split_feature" in node:
                    todo += [(node["right_child"], "right", i), (node["left_child"], "left", i)]
        arrays = {name: np.array(columns[name], dtype) for name, dtype in DTYPES.items()}
        return cls.from_arrays(arrays, bias=0.0, n_features=dump["max_feature_idx"] + 1)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], bias: float, n_features: int) -> Trees:
        """The trees that `arrays()` gave away, checked. Raises Tampered."""
        _expect(set(arrays) == set(DTYPES), f"arrays are {sorted(arrays)}", f"must be {sorted(DTYPES)}")
        trees = cls(**dict(arrays), bias=bias, n_features=n_features)
        trees.check()
        return trees

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The eight arrays by name; `bias` and `n_features` are the two numbers that go beside them."""
        return {name: getattr(self, name) for name in DTYPES}

    def check(self) -> None:
        """Are these arrays trees? Raises Tampered if walking them could leave them, never end or not give a number."""
        n, n_roots = (getattr(array, "size", 0) for array in (self.feature, self.root))
        for name, dtype in DTYPES.items():
            array, size = getattr(self, name), n_roots if name == "root" else n
            ok = isinstance(array, np.ndarray) and array.dtype == dtype and array.shape == (size,)
            found = f"{name} is {getattr(array, 'dtype', type(array))} of shape {getattr(array, 'shape', None)}"
            _expect(ok, found, f"must be an array of {dtype} of shape {(size,)}")
        ok = isinstance(self.n_features, int) and self.n_features > 0
        _expect(ok, f"n_features is {self.n_features!r}", "must be a whole number over 0")
        ok = isinstance(self.bias, float | int) and abs(self.bias) <= MAX_VALUE
        _expect(ok, f"bias is {self.bias!r}", f"must be finite and at most {MAX_VALUE}")
        root, feature, node, inner = self.root, self.feature, np.arange(n), self.feature >= 0
        _expect(len(root) > 0 and root[0] == 0, f"the first root is {root[:1].tolist()}", "must be 0")
        _all(root[1:] > root[:-1], "root", root[1:], "must rise")
        _expect(int(root[-1]) < n, f"the last root is {root[-1]}", f"must be under {n}, the number of nodes")
        _all((feature >= -1) & (feature < self.n_features), "feature", feature, f"-1 to {self.n_features - 1}")
        for name, child in (("left", self.left), ("right", self.right)):
            _all(np.where(inner, (child > node) & (child < n), child == -1), name, child, f"over its parent, under {n}")
        child, tree = np.concatenate([self.left[inner], self.right[inner]]), np.searchsorted(root, node, "right")
        _all(tree[child] == np.tile(tree[inner], 2), "child", child, "must be in its parent's tree")
        n_parents = np.bincount(child, minlength=n)
        _all(n_parents == ~np.isin(node, root), "number of parents", n_parents, "must be 1, or 0 for a root")
        _all(np.isfinite(self.threshold), "threshold", self.threshold, "must be finite")
        _all(np.abs(self.value) <= MAX_VALUE, "value", self.value, f"must be finite and at most {MAX_VALUE}")
        _all(np.isfinite(self.cover) & (self.cover > 0), "cover", self.cover, "must be finite and over 0")
        with np.errstate(all="ignore"):
            share = self.cover / self.cover[root][tree - 1]
            gap = np.abs(share[self.left[inner]] + share[self.right[inner]] - share[inner])
        _all(gap <= 1e-6 * share[inner], "cover", self.cover[inner], "must be its children's sum")
        _all(share >= MIN_SHARE, "cover", self.cover, f"must be at least {MIN_SHARE} of its root's")
        _expect(self._depth <= MAX_DEPTH, f"a tree is over {MAX_DEPTH} deep", f"must be at most {MAX_DEPTH}")

    def using(self, features: Sequence[int]) -> Trees | None:
        """The trees that split on any of these features, without the bias; None where none does."""
        tree = np.searchsorted(self.root, np.arange(len(self.feature)), "right") - 1
        kept = np.unique(tree[np.isin(self.feature, features)])
        if not kept.size:
            return None
        node = np.isin(tree, kept)
        place = (np.cumsum(node) - 1).astype(np.int32)
        arrays = {name: getattr(self, name)[node] for name in DTYPES if name != "root"}
        for side in ("left", "right"):
            arrays[side] = np.where(arrays[side] >= 0, place[arrays[side]], np.int32(-1))
        return Trees(**arrays, root=place[self.root[kept]], bias=0.0, n_features=self.n_features)

    def score(self, x: NDArray[Any]) -> Floats:
        """The log-odds (N,) of rows x (N, n_features): a row's score is its own to the bit, whatever comes with it."""
        out = np.empty(np.shape(x)[:1])
        if self._masks is not None:
            for block, rows in self._blocks(x, len(self.root)):
                out[block] = self._masks.leaves(rows).cumsum(axis=1)[:, -1] + self.bias
            return out
        column, threshold, child, leaf = self._walk
        for block, rows in self._blocks(x, len(self.root) + 2 * self.n_features):
            unknown = np.isnan(rows)  # an unknown is +inf where it goes right and -inf where it goes left
            both = np.hstack([np.where(unknown, np.inf, rows), np.where(unknown, -np.inf, rows)]).ravel()
            start = np.arange(len(rows))[:, None] * (2 * self.n_features)
            at = np.tile(2 * self.root.astype(np.intp), (len(rows), 1))  # (N, T)
            for _ in range(self._depth):
                at = child.take(at + (both.take(column.take(at) + start) <= threshold.take(at)))
            out[block] = leaf.take(at).cumsum(axis=1)[:, -1] + self.bias  # cumsum adds in order, sum does not
        return out

    def explain(self, x: NDArray[Any]) -> tuple[Floats, float]:
        """What each feature added to the log-odds of each row (N, n_features), and the mean it was added to.

        Exact path-dependent TreeSHAP (Lundberg et al. 2020, Nature Machine Intelligence 2, algorithm 2). A leaf is a
        product game: feature i plays o = 1 or 0 (x is in the leaf's interval) when known, z (its share of the
        training rows) when not, so its Shapley value is value (o_i - z_i) times the integral over t in [0, 1] of the
        product over j != i of (t o_j + (1 - t) z_j): a polynomial, which Gauss-Legendre quadrature integrates exactly.
        """
        paths, base = self._paths
        out = np.zeros(np.shape(x))
        for block, rows in self._blocks(x, max((path[0].size for path in paths), default=1)):
            for feature, lower, upper, missing, z, value, quadrature in paths:
                known = rows.take(feature, axis=1)  # (N, d, L)
                o = ((lower < known) & (known <= upper)) | (np.isnan(known) & missing)
                integral = np.zeros(o.shape)
                for t, weight in quadrature:
                    term = t * o + (1 - t) * z  # never 0: t is inside (0, 1) and z is over 0
                    integral += weight * term.prod(axis=1, keepdims=True) / term
                cell = feature + np.arange(len(rows))[:, None, None] * self.n_features
                added = np.bincount(cell.ravel(), ((o - z) * integral * value).ravel(), rows.size)
                out[block] += added.reshape(rows.shape)
        return out, base

    def _blocks(self, x: NDArray[Any], width: int) -> Iterator[tuple[slice, Floats]]:
        if np.ndim(x) != 2 or np.shape(x)[1] != self.n_features:
            raise BadInput(f"x has shape {np.shape(x)}: expected (N, {self.n_features}); pass one column per feature")
        size = max(1, BLOCK // width)
        for block in (slice(start, start + size) for start in range(0, len(x), size)):
            rows = np.array(x[block], np.float64)
            np.minimum(np.maximum(rows, -INFINITY, out=rows), INFINITY, out=rows)
            np.copyto(rows, 0.0, where=np.abs(rows) <= ZERO)
            yield block, rows

    @cached_property
    def _depth(self) -> int:
        level, depth = self.root, 0
        while depth <= MAX_DEPTH and (level := level[self.feature[level] >= 0]).size:
            level, depth = np.concatenate([self.left[level], self.right[level]]), depth + 1
        return depth

    @cached_property
    def _masks(self) -> Masks | None:
        return masks(self)

    @cached_property
    def _walk(self) -> tuple[NDArray[np.intp], Floats, NDArray[np.intp], Floats]:
        """Each node twice: child[2i + 1] is where node i leads on the left, child[2i] on the right; leaves stay."""
        inner, node = self.feature >= 0, np.arange(len(self.feature))
        column = np.where(inner, self.feature + self.n_features * self.missing_left.astype(np.intp), 0)
        child = np.where(inner, [self.right, self.left], node).T.ravel() * 2
        return np.repeat(column, 2), np.repeat(self.threshold, 2), child, np.repeat(self.value, 2)

    @cached_property
    def _paths(self) -> tuple[list[tuple[Any, ...]], float]:
        """Leaves by d, their number of distinct features: five arrays (d, L), value (L,), quadrature; and the mean."""
        inner, parent = self.feature >= 0, np.full(len(self.feature), -1)
        parent[self.left[inner]] = parent[self.right[inner]] = np.flatnonzero(inner)
        leaf = at = np.flatnonzero(~inner)
        root = self.root[np.searchsorted(self.root, leaf, "right") - 1]
        base = float((self.value[leaf] * (self.cover[leaf] / self.cover[root])).sum() + self.bias)
        edges: list[tuple[NDArray[Any], ...]] = []
        while (below := parent[at] >= 0).any() or not edges:
            leaf, at = leaf[below], at[below]
            up = parent[at]
            is_left, cut, z = self.left[up] == at, self.threshold[up], self.cover[at] / self.cover[up]
            lower, upper = np.where(is_left, -np.inf, cut), np.where(is_left, cut, np.inf)
            edges.append((leaf * self.n_features + self.feature[up], lower, upper, self.missing_left[up] == is_left, z))
            at = up
        pair, *columns = map(np.concatenate, zip(*edges, strict=True))
        order = pair.argsort(kind="stable")
        start = np.flatnonzero(np.diff(pair[order], prepend=-1))  # of the run of one feature on the path of one leaf
        merge = (np.maximum, np.minimum, np.logical_and, np.multiply)
        columns = [by.reduceat(column[order], start) for by, column in zip(merge, columns, strict=True)]
        leaf, feature = np.divmod(pair[order][start], self.n_features)
        leaf, first, n_distinct = np.unique(leaf, return_index=True, return_counts=True)
        paths: list[tuple[Any, ...]] = []
        for d in np.unique(n_distinct):
            chosen = n_distinct == d
            cell = first[chosen] + np.arange(d)[:, None]  # (d, L)
            t, weight = np.polynomial.legendre.leggauss((d + 1) // 2)  # on [-1, 1]
            quadrature = list(zip((t + 1) / 2, weight / 2, strict=True))
            paths.append((*(column[cell] for column in (feature, *columns)), self.value[leaf[chosen]], quadrature))
        return paths, base


def _columns(node: Mapping[str, Any]) -> dict[str, Any]:
    """What LightGBM dumped of one node. It reads NaN as 0 where training saw none (missing type None)."""
    cut, missing = node.get("threshold", 0.0), node.get("missing_type", "None")
    if node.get("decision_type", "<=") != "<=" or missing not in ("NaN", "None") or "leaf_coeff" in node:
        found = "linear leaf" if "leaf_coeff" in node else f"split {node['decision_type']!r}, missing type {missing!r}"
        remedy = "train without categorical_feature, zero_as_missing and linear_tree"
        raise BadInput(f"booster has a {found}: expected constant leaves, '<=' and NaN or None; {remedy}")
    if "split_feature" not in node:  # an old dump leaves out the count of a lone leaf
        return {"feature": -1, "value": node["leaf_value"], "cover": node.get("leaf_count", 1)}
    missing_left = node["default_left"] if missing == "NaN" else cut >= 0.0
    names = {"feature": "split_feature", "threshold": "threshold", "cover": "internal_count"}
    return {"missing_left": missing_left, **{name: node[dumped] for name, dumped in names.items()}}


def _expect(ok: bool, found: str, expectation: str) -> None:
    if not ok:
        raise Tampered(f"{found}: {expectation}; get the bundle again from its source")


def _all(ok: NDArray[np.bool_], name: str, values: NDArray[Any], expectation: str) -> None:
    if not ok.all():
        _expect(False, f"{name} is {values[int(ok.argmin())]}", expectation)
