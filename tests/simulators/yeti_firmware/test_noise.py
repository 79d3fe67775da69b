"""A short soak on a noisy line; `python3 -m tests.soak.wire_noise` is the hour."""

from __future__ import annotations

import pytest

from tests.soak.wire_noise import Wire, soak


@pytest.mark.parametrize("wire", ["serial", "can"])
@pytest.mark.parametrize(("noise_percent", "seed"), [(1, 1), (1, 2), (0.1, 3)])
def test_nothing_wrong_is_believed_and_every_session_ends(
    noise_percent: float, seed: int, wire: Wire
) -> None:
    result = soak(180, noise_percent, seed, wire)
    assert result.problems == []
    assert result.sessions == result.finished >= 4
    assert result.damaged > 30


@pytest.mark.parametrize("wire", ["serial", "can"])
def test_without_noise_there_is_no_error(wire: Wire) -> None:
    result = soak(60, 0, wire=wire)
    assert (result.problems, dict(result.errors), result.damaged) == ([], {}, 0)
