"""Keys by their tones: what is learned of one key is known of all, and turned music has a turned key."""

from __future__ import annotations

import numpy as np
import pytest

from segue.measured import Measured
from segue.models.sound_key import KeyByTones, rows_of_twelve
from segue.models.sound_ridge import Ridge

SCALE = np.array([3, 0.2, 1, 0.3, 2, 1, 0.2, 2.5, 0.3, 1, 0.2, 1])
COLUMNS = tuple(f"tone_{k:02}" for k in range(12))


def heard(keys, seed=0):
    """Tones of pieces in major keys, with noise."""
    noise = np.random.default_rng(seed).normal(scale=0.4, size=(len(keys), 12))
    return np.stack([np.roll(SCALE, k) for k in keys]) + noise


def test_columns_of_twelve_are_found_in_their_order():
    columns = ["zcr", *(f"chroma_stft.{k}" if k else "chroma_stft" for k in range(12)), "chroma_cqt", *COLUMNS]
    assert rows_of_twelve(columns).tolist() == [list(range(14, 26)), list(range(1, 13))]


def test_a_key_that_training_never_saw_is_told():
    seen = np.random.default_rng(1).integers(0, 6, 80)
    model = KeyByTones.fit(heard(seen), seen.astype(float), COLUMNS)
    asked = np.arange(12)
    assert model.predict(heard(asked, seed=2)).argmax(1).tolist() == asked.tolist()


def test_turned_tones_have_a_turned_key():
    keys = np.random.default_rng(1).integers(0, 12, 60)
    model = KeyByTones.fit(heard(keys), keys.astype(float), COLUMNS)
    x = heard([4], seed=3)
    np.testing.assert_allclose(np.roll(model.predict(x), 5, axis=1), model.predict(np.roll(x, 5, axis=1)), rtol=1e-9)


def test_too_few_keys_or_no_tones_are_left_to_others():
    assert KeyByTones.fit(heard([1, 2]), np.array([1.0, 2.0]), COLUMNS) is None
    assert KeyByTones.fit(np.zeros((40, 2)), np.arange(40.0) % 12, ("a", "b")) is None


def test_a_model_of_descriptors_tells_keys_so_and_opened_again_the_same():
    keys = np.random.default_rng(1).integers(0, 12, 72)
    x = heard(keys)
    energy = 1 / (1 + np.exp(-x[:, 0]))
    tracks = Measured(COLUMNS, x.astype(np.float32), {"energy": energy, "key": keys.astype(float)}, np.arange(72) // 3)
    model = Ridge().fit(tracks)
    asked = np.arange(12)
    answer = model.answer(heard(asked, seed=2))
    assert (answer.of("key")[0] == asked).mean() > 0.9
    assert answer.chances["key"].shape == (12, 12)
    settings, arrays = model.save()
    again = Ridge.open(settings, arrays).answer(heard(asked, seed=2))
    np.testing.assert_array_equal(again.values.values, answer.values.values)
    with pytest.raises(Exception, match="damaged"):
        Ridge.open(settings, {**arrays, "learner.key.at": arrays["learner.key.at"] + 12})
