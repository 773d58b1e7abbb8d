"""The published baseline: a recording as 10,000 magnitudes."""

from __future__ import annotations

import numpy as np
import pytest

from segue.features.audio.bins import BINS, bins
from segue.features.audio.spectrum import RATE


@pytest.mark.parametrize("seconds", [0.1, 1.0, 7.3])
def test_there_are_as_many_bins_whatever_the_length(seconds):
    found = bins(np.random.default_rng(0).standard_normal(int(seconds * RATE)).astype(np.float32))
    assert found.shape == (BINS,)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("hertz", [30.0, 440.0, 12_000.0])
def test_a_tone_fills_the_bin_where_it_is(hertz):
    found = bins(np.sin(2 * np.pi * hertz * np.arange(5 * RATE) / RATE).astype(np.float32))
    assert abs(int(found.argmax()) - hertz / (RATE / 2) * BINS) <= 1


def test_it_knows_no_time():
    x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    np.testing.assert_allclose(bins(x[::-1].copy()), bins(x), rtol=1e-3)


def test_twice_the_volume_is_twice_the_magnitude():
    x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    np.testing.assert_allclose(bins(2 * x), 2 * bins(x), rtol=1e-5)
