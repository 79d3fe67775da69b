"""The board of an EV, or of its simulator."""

from __future__ import annotations

from typing import Literal

EvCpState = Literal["A", "B", "C", "D", "E"]
