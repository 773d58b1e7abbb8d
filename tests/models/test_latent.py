"""Latent tastes: their weights are those of an enumeration of all histories, and nothing that is not heard is evidence."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from segue.models.latent import LONGEST, by_tastes  # noqa: E402

WIDTH, TASTES, TEMPERS = 5, 3, 2
SIZES = {"skipped": 0, "skip_1": 1, "skip_3": 2}
#         very briefly    briefly       mostly       wholly       skipped, no more told   kept        unknown
ENDS = [(1.0, 1, 1), (1.0, -1, 1), (-1.0, -1, 1), (-1.0, -1, -1), (1.0, 0, 0), (-1.0, 0, 0), (0.0, 0, 0)]


def layer(seed=0):
    torch.manual_seed(seed)
    made = by_tastes(WIDTH, TASTES, TEMPERS, SIZES).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.7)
    return made


def chance_of(made, odds, end):
    """P of an end at a log-odds of a skip, each of its terms written out."""

    def s(x):
        return 1 / (1 + np.exp(-x))

    low, high = (float(np.log1p(np.exp(c))) for c in made.cuts.detach().numpy())
    skipped, first, third = end
    if skipped == 0:
        return 1.0
    if skipped > 0:
        return s(odds) if first == 0 else s(odds - low) if first > 0 else s(odds) - s(odds - low)
    return 1 - s(odds) if third == 0 else s(odds + high) - s(odds) if third > 0 else 1 - s(odds + high)


def enumerated(made, odds, ends, further):
    """(K, J) chances of taste and temper `further` turns after the plays: over all tastes and all courses of the temper."""
    prior = torch.softmax(made.taste_share, -1).detach().numpy()
    share = torch.softmax(made.temper_share, -1).detach().numpy()
    lasts = float(torch.sigmoid(made.lasts).detach())
    turn = lasts * np.eye(TEMPERS) + (1 - lasts) * share
    found = np.zeros((TASTES, TEMPERS))
    for k in range(TASTES):
        for course in product(range(TEMPERS), repeat=len(ends)):
            p, before = prior[k], None
            for t, m in enumerate(course):
                p *= share[m] if before is None else turn[before, m]
                p *= chance_of(made, odds[t, k, m], ends[t])
                before = m
            last = share if before is None else np.linalg.matrix_power(turn, further)[before]
            found[k] += p * last
    return found / found.sum()


def test_the_weights_are_those_of_all_histories():
    made = layer()
    torch.manual_seed(5)
    heard = torch.randn(1, len(ENDS), WIDTH)
    with torch.no_grad():
        odds = made.odds(heard)
        chance, _ = made.evidence(odds, torch.tensor([ENDS]).float(), torch.tensor([len(ENDS)]))
        after = made.filtered(chance)
        for n in range(len(ENDS) + 1):
            for further in (1, 3):
                by_hand = enumerated(made, odds[0].numpy(), ENDS[:n], further)
                ahead = made.turned(after[:, n : n + 1], torch.full((1, 1), float(further)))
                assert ahead[0, 0].numpy() == pytest.approx(by_hand, abs=1e-5)


def test_the_ends_of_a_play_share_all_of_its_chance():
    made = layer()
    odds = torch.linspace(-9, 9, 7)[None, :, None, None].expand(4, -1, TASTES, TEMPERS)
    told = torch.tensor(ENDS[:4])[:, None].expand(-1, 7, -1).float()
    with torch.no_grad():
        chance, _ = made.evidence(odds, told, torch.full((4,), 7))
    assert chance.exp().sum(0).numpy() == pytest.approx(1.0, abs=1e-5)


def test_only_plays_that_are_heard_are_evidence():
    made = layer()
    heard, asked = torch.randn(2, 4, WIDTH), torch.randn(2, 3, WIDTH)
    told = torch.tensor([ENDS[:4]] * 2).float()
    n, sees = torch.tensor([2, 2]), torch.tensor([[0, 2, 2]] * 2)
    other = told.clone()
    other[:, 2:] *= -1  # plays after the second are none
    other[1, 1] *= -1
    with torch.no_grad():
        (_, one, (*_, p)), (_, two, (*_, q)) = (
            made(heard, asked, t, n, sees, torch.ones(2, 3).long()) for t in (told, other)
        )
    assert np.array_equal(one[0].numpy(), two[0].numpy())
    assert np.array_equal(p[:, 0].numpy(), q[:, 0].numpy())  # the first asked play sees nothing
    assert (p[1, 1:] != q[1, 1:]).all()


def test_what_is_said_of_heard_plays_is_their_chance_as_it_comes():
    made = layer()
    heard, told = torch.randn(1, 4, WIDTH), torch.tensor([ENDS[:4]]).float()
    with torch.no_grad():
        *_, (said, skipped, p) = made(
            heard, heard[:, :1], told, torch.tensor([4]), torch.tensor([[3]]), torch.ones(1, 1).long()
        )
        odds = made.odds(heard)[0].numpy()
    whole = 0.0
    for t in range(4):
        weights = enumerated(made, odds, ENDS[:t], 1)
        whole += np.log(
            sum(weights[k, m] * chance_of(made, odds[t, k, m], ENDS[t]) for k in range(TASTES) for m in range(TEMPERS))
        )
    assert float(said.sum()) == pytest.approx(whole, abs=1e-4)
    assert skipped.tolist() == [[1, 1, -1, -1]]
    assert 0 < float(p) < 1


def test_what_lies_further_back_than_a_row_is_forgotten():
    made = layer()
    torch.manual_seed(3)
    heard, told = torch.randn(1, 100, WIDTH), torch.tensor([(ENDS * 20)[:100]]).float()
    with torch.no_grad():
        chance, _ = made.evidence(made.odds(heard), told, torch.tensor([100]))
        for n in (64, 65, 80, 100):
            whole, lately = made.filtered(chance)[:, n], made.filtered(chance[:, n - LONGEST : n])[:, -1]
            assert whole.numpy() == pytest.approx(lately.numpy(), abs=1e-5)


def filtered_in_turn(made, chance):
    """(T + 1, K, J) play after play, in float64."""
    with np.errstate(under="ignore"):
        share = torch.softmax(made.temper_share, -1).double().numpy()
        lasts = float(torch.sigmoid(made.lasts))
        turn = lasts * np.eye(TEMPERS) + (1 - lasts) * share
        weight = torch.softmax(made.taste_share, -1).double().numpy()[:, None] * share
        found = [weight]
        for of_play in chance:
            weight = (weight if len(found) == 1 else weight @ turn) * np.exp(of_play)
            weight = weight / weight.sum()
            found.append(weight)
    return np.stack(found)


@pytest.mark.parametrize("strength", [1, 3])
def test_a_row_of_63_plays_is_filtered_as_play_after_play(strength):
    made = layer()
    torch.manual_seed(2)
    heard, told = torch.randn(1, 63, WIDTH) * strength, torch.tensor([(ENDS * 9)[:63]]).float()
    with torch.no_grad():
        chance, _ = made.evidence(made.odds(heard), told, torch.tensor([63]))
        found = made.filtered(chance)[0].numpy()
        by_hand = filtered_in_turn(made, chance[0].double().numpy())
    assert found == pytest.approx(by_hand, abs=2e-4)
    assert by_hand.max(axis=(1, 2)).min() < 0.9  # and nothing is certain throughout


def test_a_track_unlike_any_is_as_good_as_certain_and_no_more():
    made = layer()
    assert made.odds(torch.randn(1, 4, WIDTH) * 1e6).abs().max() <= 15 + float(made.temper.detach().abs().max())


def test_attention_is_told_by_how_much_a_play_was_otherwise():
    made = layer()
    weight = torch.full((1, 3, TASTES, TEMPERS), 1 / (TASTES * TEMPERS))
    odds = torch.full((1, 3, TASTES, TEMPERS), float(np.log(3)))  # a chance of .75
    said, p = made.said(weight, odds, torch.tensor([[1.0, -1.0, 0.0]]))
    assert p.numpy() == pytest.approx(0.75, abs=1e-6)
    assert said[0, :, -1].tolist() == pytest.approx([0.25, -0.75, 0.0], abs=1e-6)
    assert said[0, :, -2].numpy() == pytest.approx(np.log(3) / 2, abs=1e-5)


def test_what_tastes_miss_is_the_mean_log_loss_of_plays_heard_and_asked():
    made = layer()
    said, skipped = torch.log(torch.tensor([[0.5, 1.0]])), torch.tensor([[1.0, 0.0]])
    p, label = torch.tensor([[0.2, 0.9, 0.4]]), torch.tensor([[1.0, 0.0, -1.0]])
    by_hand = -(np.log(0.5) + np.log(0.2) + np.log(0.1)) / 3
    assert float(made.missed(said, skipped, p, label)) == pytest.approx(by_hand, abs=1e-5)


def test_what_tastes_tell_moves_heard_and_asked_plays():
    made = layer()
    heard, asked = torch.randn(1, 3, WIDTH), torch.randn(1, 2, WIDTH)
    one, other, _ = made(
        heard,
        asked,
        torch.tensor([ENDS[:3]]).float(),
        torch.tensor([3]),
        torch.tensor([[3, 3]]),
        torch.ones(1, 2).long(),
    )
    assert (abs(one - heard) > 1e-4).all()
    assert (abs(other - asked) > 1e-4).all()


def test_where_no_column_says_so_nothing_is_evidence():
    torch.manual_seed(0)
    skips_only = by_tastes(WIDTH, TASTES, TEMPERS, {"skipped": 0, "skip_1": -1, "skip_3": -1})
    nothing = by_tastes(WIDTH, TASTES, TEMPERS, dict.fromkeys(SIZES, -1))
    told, odds = torch.tensor([ENDS]).float(), torch.zeros(1, len(ENDS), TASTES, TEMPERS)
    with torch.no_grad():
        chance, skipped = skips_only.evidence(odds, told, torch.tensor([len(ENDS)]))
        none, unknown = nothing.evidence(odds, told, torch.tensor([len(ENDS)]))
    assert skipped[0].tolist() == [1, 1, -1, -1, 1, -1, 0]
    assert chance[0, :6].exp().numpy() == pytest.approx(0.5, abs=1e-6)  # two ends, equally likely
    assert not none.any()
    assert not unknown.any()


def test_onnx_knows_tracks_unlike_any_and_gives_numbers():
    import io

    import onnxruntime

    made, out = layer(), io.BytesIO()
    heard = torch.randn(2, 3, WIDTH) * 1e4
    told, n, sees = torch.tensor([ENDS[:3]] * 2).float(), torch.tensor([3, 3]), torch.tensor([[1, 3]] * 2)
    given = (heard, heard[:, :2], told, n, sees, torch.ones(2, 2).long())
    torch.onnx.export(made, given, out, dynamo=False, opset_version=17, input_names=list("abcdef"))
    session = onnxruntime.InferenceSession(out.getvalue(), providers=["CPUExecutionProvider"])
    found = session.run(None, dict(zip("abcdef", (g.numpy() for g in given), strict=True)))
    with torch.no_grad():
        one, two, more = made(*given)
    for torch_said, onnx_said in zip((one, two, *more), found, strict=True):
        assert onnx_said == pytest.approx(torch_said.numpy(), rel=1e-4, abs=1e-4)
        assert np.isfinite(onnx_said).all()
