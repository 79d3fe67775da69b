"""The trees of the recordings give the recorded limits."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from evse_daemon.framework.interface import ArgumentError
from evse_daemon.interfaces.energy import Energy
from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.plan import Books, Horizon, plan
from evse_daemon.types.energy import EnergyFlowRequest
from tests.modules import recordings

GRID = "everest/modules/grid_connection_point/impl/energy_grid/"


@pytest.mark.skipif(not recordings.runs(), reason="the recordings are not there")
@pytest.mark.parametrize("run", recordings.runs())
def test_the_limits_are_those_of_the_recordings(run: str) -> None:
    trees: dict[str, EnergyFlowRequest] = {}
    compared = 0
    for row in recordings.rows(run):
        if row.topic == GRID + "var/energy_flow_request":
            try:
                tree = Energy.energy_flow_request.validate_json(json.dumps(row.var()))
            except ArgumentError:
                continue  # at start EVerest asks with 0 phases, which its own types forbid
            for child in tree.children:
                trees[child.schedule_import[0].timestamp] = tree
        elif row.topic == GRID + "cmd/enforce_limits":
            recorded = json.loads(row.payload)["data"]["args"]["value"]
            moment = recorded["schedule"][1]["timestamp"]  # EVerest's now is the time of the request
            if moment not in trees or recorded["limits_root_side"]["ac_max_current_A"]["value"] == 0:
                continue  # for 0 A EVerest names no source; here it has one
            now = dt.datetime.fromisoformat(moment)
            result = plan(trees[moment], Books(), now, 0.0, Terms(), Horizon(total=dt.timedelta(hours=10)))
            ours = Energy.enforce_limits.arguments_to_jsonable({"value": result.enforced[0]})["value"]
            # Where a millisecond passed while it asked, EVerest has one slot more.
            slots = [slot for slot in recorded.pop("schedule") if slot["timestamp"][:18] != moment[:18]]
            assert [slot for slot in ours.pop("schedule") if slot["timestamp"][:18] != moment[:18]] == slots
            assert ours == recorded
            compared += 1
    assert compared
