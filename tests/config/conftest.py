from collections.abc import Callable

import pytest

from evse_daemon.config import ConfigurationError, Problem, RunConfig, load_text
from evse_daemon.framework import registry
from tests.config.fakes import CLASSES


@pytest.fixture
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_module_class", CLASSES.get)
    monkeypatch.setattr(registry, "module_classes", lambda: sorted(CLASSES))


@pytest.fixture
def good(_fakes: None) -> Callable[..., RunConfig]:
    """Loads a configuration of the fake classes that must be right."""
    return load_text


@pytest.fixture
def problems(_fakes: None) -> Callable[..., list[Problem]]:
    """What is wrong with a configuration of the fake classes."""

    def of(text: str, **environ: str) -> list[Problem]:
        with pytest.raises(ConfigurationError) as raised:
            load_text(text, environ, "my.yaml")
        return list(raised.value.problems)

    return of
