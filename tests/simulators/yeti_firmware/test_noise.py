"""A short soak on a noisy line; `python3 -m tests.soak.wire_noise` is the hour."""

from __future__ import annotations

import pytest

from tests.soak.wire_noise import soak


@pytest.mark.parametrize(("noise_percent", "seed"), [(1, 1), (1, 2), (0.1, 3)])
def test_nothing_wrong_is_believed_and_every_session_ends(noise_percent: float, seed: int) -> None:
    result = soak(180, noise_percent, seed)
    assert result.problems == []
    assert result.sessions == result.finished >= 4
    assert result.damaged > 30


def test_without_noise_there_is_no_error() -> None:
    result = soak(60, 0)
    assert (result.problems, dict(result.errors), result.damaged) == ([], {}, 0)
