"""What happens to a node of the energy tree when nobody sets its limits any more, in SmartGridready's words."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class LimitSource(BaseModel):
    """What is expected of whoever sets limits from outside (its EMSCurrentLimit) at an EnergyNode.

    The names are those of SmartGridready's functional profile for charging stations; its HWCurrentLimit is the
    node's ``fuse_limit_A``.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    MaxReceiveTimeSec: Annotated[float, Field(ge=0, le=604_800)] = 0
    """For so long limits hold without being set again; 0: until they are replaced, as in EVerest."""

    SafeCurrent: Annotated[float, Field(ge=0, le=1000)] = 0
    """Ampere per phase from then on, and before the first limits; 0: nobody below the node charges."""
