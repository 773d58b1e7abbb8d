"""From raw audio: rendered songs with planted descriptors, described by a bundle that heard others. Takes a minute: marked slow."""

from __future__ import annotations

import numpy as np
import pytest

from segue.describing import DescriptorBundle, measured_of, train
from segue.sound_contest import compare

pytest.importorskip("soundfile")
pytestmark = pytest.mark.slow


def test_planted_descriptors_are_found_in_rendered_songs_of_artists_that_were_not_heard(tmp_path):
    from segue.simulate.music import collection

    truth = collection(tmp_path / "music", 48, seconds=6)
    found = measured_of(truth, [tmp_path / "music"], models=["ridge"], kept=tmp_path / "kept")
    assert found.counts["joined"] == found.counts["rows"] == 48
    made = compare(found.measured, models=["ridge"], n_folds=4, draws=50)
    assert made["ridge"].nmse["loudness"].value < 0.3
    assert made["ridge"].tempo["accuracy_2"] > 0.8
    assert made["ridge"].classes["key"]["right"] > 0.8

    train(truth, [tmp_path / "music"], tmp_path / "b", model="ridge", kept=tmp_path / "kept", n_folds=4)
    other = collection(tmp_path / "other", 8, seed=9, seconds=6)
    bundle = DescriptorBundle.open(tmp_path / "b")
    assert {"loudness", "key"} <= set(bundle.names)
    from segue.datasets.sound_files import find, read
    from segue.sound_table import read_table

    said = [bundle.describe(read(path)) for path in find([tmp_path / "other"])]
    y = read_table(other).said
    assert np.abs([s["loudness"][0] for s in said] - y["loudness"]).max() < 0.1
    assert (
        np.mean([s["key"][0] for s in said] == y["key"]) >= 0.5
    )  # of eight songs of six seconds; by chance, one in twelve
