"""A bundle that says what plays next, as the service has it: seeds are understood, tracks proposed, each with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from segue.alike import like
from segue.catalogue import Catalogue
from segue.ear import Heard
from segue.errors import SegueError
from segue.playlists_bundle import PlaylistsBundle, open_playlists_bundle
from segue.recommending import conditions, recommend, resolved
from segue.service.list_sent import MOST_NAMED, Seed, Wanted
from segue.service.problems import Problem, shown
from segue.sound_space import NO_SOUND


@dataclass(frozen=True)
class Continuing:
    """A bundle and the name it is asked by."""

    name: str
    bundle: PlaylistsBundle
    catalogue: Catalogue

    task: ClassVar[str] = "next-track"
    offers: ClassVar[str] = "tracks"
    comes_true: ClassVar[bool] = False

    @classmethod
    def opened(cls, path: Path, name: str, *, checked: bool = False) -> Continuing:
        """Raises AskedWrongly, Tampered."""
        bundle = open_playlists_bundle(path, checked=checked)
        return cls(name, bundle, bundle.names)

    @property
    def zone(self) -> str | None:
        zone = self.bundle.card.get("source_options", {}).get("tz")
        return None if zone is None else str(zone)

    @property
    def setting(self) -> str:
        return str(self.bundle.card.get("setting", "continue"))

    def about(self) -> dict[str, Any]:
        card = self.bundle.card
        return {"name": self.name, "task": card["task"], "setting": self.setting, "model": card["model"],
                "offers": self.offers, "hears": self.hears, "card": card}  # fmt: skip

    @property
    def hears(self) -> bool:
        """Whether it can say what sounds like a recording: it knows attributes of tracks."""
        return bool(set(self.bundle.sound) - set(NO_SOUND))

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Tracks whose names hold a text, the most played first."""
        return self.catalogue.search(text, limit)

    def answer(self, seeds: Sequence[Seed], wanted: Wanted) -> dict[str, Any]:
        """Tracks that go on with a list, as they are sent. Raises Problem."""
        taken = self._understood(seeds)
        known = [code for code in taken if code is not None]
        self._check(len(seeds), len(known), wanted)
        v = self.bundle.vocabulary
        try:
            found = recommend(
                self.bundle, seeds=[v.ids[code] for code in known], title=wanted.title or None, k=wanted.k,
                per_artist=wanted.per_artist, where=wanted.where, diversity=wanted.diversity, again=wanted.again,
            ).to_json()  # fmt: skip
        except SegueError as cause:
            raise Problem(422, str(cause), field="body", remedy="see /docs") from None
        notes = found["notes"]
        if lost := len(seeds) - len(known):
            notes.append(
                f"{lost} of {len(seeds)} tracks {'is' if lost == 1 else 'are'} not known to this bundle: left out"
            )
        said = [
            {"asked": seed.track or seed.said, "taken": None if code is None else v.shown(code),
             "track": None if code is None else v.ids[code]}
            for seed, code in zip(seeds, taken, strict=True)
        ]  # fmt: skip
        return {"model": self.name, "setting": self.setting, "seeds": said, "notes": notes, "tracks": found["tracks"]}

    def follow(self, heard: Heard, seeds: Sequence[Seed], wanted: Wanted, described_by: str | None) -> dict[str, Any]:
        """Tracks that sound like a recording, as they are sent. Raises Problem."""
        known = [code for code in self._understood(seeds) if code is not None]
        v = self.bundle.vocabulary
        try:
            found = like(
                self.bundle, heard, seeds=[v.ids[code] for code in known], title=wanted.title or None, k=wanted.k,
                per_artist=wanted.per_artist, where=wanted.where, diversity=wanted.diversity, again=wanted.again,
            ).to_json()  # fmt: skip
        except SegueError as cause:
            raise Problem(422, str(cause), field="body", value=shown(heard.name), remedy="see /docs") from None
        return {"model": self.name, "setting": self.setting, "described_by": described_by, **found}

    def check_hears(self, wanted: Wanted) -> None:
        """Before a recording is heard. Raises Problem where no track can be said to sound like anything, or a condition cannot be
        read."""
        if not self.hears:
            raise Problem(
                422, f"{self.name} knows no attributes of tracks: none can be said to sound like a recording", field="model",
                value=self.name, remedy="ingest the lists with --tracks attributes.csv, train again, and serve that",
            )  # fmt: skip
        self._check_conditions(wanted)

    def _understood(self, seeds: Sequence[Seed]) -> list[int | None]:
        """Which track each seed is; None for an id that is not known. Raises Problem where a name is nobody's."""
        codes = [int(c) for c in self.bundle.vocabulary.codes([seed.track or seed.said or "" for seed in seeds])]
        called = [i for i, seed in enumerate(seeds) if codes[i] < 0 and seed.track is None]
        if len(called) > MOST_NAMED:
            raise Problem(
                422, f"tracks: {len(called)} are said by names, or by ids that are not known: expected at most {MOST_NAMED}",
                field=f"tracks.{called[MOST_NAMED]}", value=shown(seeds[called[MOST_NAMED]].said),
                remedy='send ids as {"track": id}: those that are not known are left out',
            )  # fmt: skip
        for i in called:
            said = seeds[i].said or ""
            try:
                codes[i] = resolved(self.bundle, said)
            except SegueError as cause:
                detail, _, remedy = str(cause).rpartition(": ")
                raise Problem(
                    422, f"tracks.{i}: {detail}", field=f"tracks.{i}", value=shown(said), remedy=remedy
                ) from None
        return [None if code < 0 else code for code in codes]

    def _check(self, n_seeds: int, n_known: int, wanted: Wanted) -> None:
        """Refuse what cannot be answered, and say which field it is. Raises Problem (422)."""
        if not n_known and not (wanted.title or "").strip():
            which = "the track is not" if n_seeds == 1 else f"none of the {n_seeds:,} tracks is"
            lost = f"{which} known to this bundle, and no title is said"
            raise Problem(
                422, lost if n_seeds else "nothing is said of the list", field="tracks", value=n_seeds,
                remedy="give a track that it knows (GET /v1/tracks?q=…), a title, or both",
            )  # fmt: skip
        self._check_conditions(wanted)

    def _check_conditions(self, wanted: Wanted) -> None:
        for i, said in enumerate(wanted.where):
            try:
                conditions(self.bundle, [said])
            except SegueError as cause:
                raise Problem(
                    422, f"where.{i}: {cause}", field=f"where.{i}", value=shown(said), remedy=self._attributes()
                ) from None

    def _attributes(self) -> str:
        known = sorted(self.bundle.sound)
        return f"say it as energy>=0.6, of {', '.join(known)}" if known else "leave it out"
