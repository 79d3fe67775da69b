"""A meter on a bus with EVerest's time-outs that loses frames: charging goes on, and stops where the meter is dead."""

from __future__ import annotations

import pytest

from evse_daemon.framework.calls import Deferred
from evse_daemon.interfaces.serial_communication_hub import SerialCommunicationHub
from evse_daemon.modules.evse_manager.meter_watch import LEAST_S
from evse_daemon.types.serial_comm_hub_requests import Result
from tests.drivers.generic_powermeter.test_session import EVSE, Metered

ANSWER_S = 0.05
TIMEOUT_S = 0.5
TRIES = 3
"""EVerest's SerialCommHub: initial_timeout_ms 500, retries 2."""

SILENT = ("evse_manager/Internal", "Powermeter")


class SlowBus(Metered):
    """The frames ``lost`` of all that are sent, from now on, do not arrive; the hub sends them again."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[int] = set()
        self.sent = 0
        self.hub.handle(SerialCommunicationHub.modbus_read_input_registers, self.ask)
        self.charge()
        self.advance(10.0)

    def lose(self, *frames: int) -> None:
        self.sent, self.lost = 0, set(frames)

    def ask(
        self, target_device_id: int, first_register_address: int, num_registers_to_read: int
    ) -> Deferred[Result]:
        attempts = 0
        while attempts < TRIES and self.sent + attempts in self.lost:
            attempts += 1
        self.sent += attempts + (attempts < TRIES)

        def answer() -> None:
            deferred.resolve(
                Result(status_code="Timeout")
                if attempts == TRIES
                else self.read(4, target_device_id, first_register_address, num_registers_to_read)
            )

        deferred = Deferred[Result]()
        takes_s = attempts * TIMEOUT_S + (ANSWER_S if attempts < TRIES else 0.0)
        self.clock.call_at(self.clock.now_s() + takes_s, answer)
        return deferred


@pytest.mark.parametrize("frame", range(6))
def test_one_lost_frame_does_not_stop_charging(frame: int) -> None:
    """Of the six requests of a reading."""
    bus = SlowBus()
    bus.lose(frame)
    bus.advance(20.0)
    assert len(bus.lost) <= bus.sent, "they were lost"
    assert bus.names[-1] == "ChargingStarted"
    assert "StoppingCharging" not in bus.names


@pytest.mark.parametrize("frame", range(6))
def test_nor_does_a_reading_that_fails_altogether(frame: int) -> None:
    bus = SlowBus()
    bus.lose(*range(frame, frame + TRIES))
    bus.advance(20.0)
    assert len(bus.lost) <= bus.sent, "they were lost"
    assert bus.names[-1] == "ChargingStarted"
    assert "StoppingCharging" not in bus.names


def test_a_meter_that_dies_stops_charging_within_its_time() -> None:
    bus = SlowBus()
    assert bus.yeti.board.relay_on
    bus.lose(*range(1000))
    bus.advance(LEAST_S + 0.1)
    first = bus.active_errors(EVSE)[0]
    assert (first.type, first.sub_type) == SILENT
    bus.advance(0.2)
    assert not bus.yeti.board.relay_on
    bus.lose()
    bus.advance(15.0)
    assert not bus.errors(EVSE)
    assert bus.yeti.board.relay_on
