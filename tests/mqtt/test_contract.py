"""Every kind of message as a client finds it on the broker: topic, bytes, QoS and retain flag, in each dialect.

The bytes are those of seed 001 (documented), of captures of the real EVerest (everest) and of seed 000 (classic).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn, get_args

import pytest

from evse_daemon.framework.bus import Bus, Client, Implementation, Inbox
from evse_daemon.framework.calls import CallErrorType, CallIds, Deferred
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.errors import Error, Mapping
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.mqtt.dialects import DialectName
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.topics import Topics
from tests.mqtt.bench_station import FakeBroker, Sent
from tests.support.waiting import run

DIALECTS: tuple[DialectName, ...] = ("documented", "everest", "classic")
CALL_ID = "59ef6742-6b61-4c60-8fba-4636f8f0023d"
ERROR_ID = "5247d0e1-0c1f-4a4e-9f57-000000000001"
IMPL = "everest/modules/prov/impl"
METER = (
    '{"energy_Wh_import":{"total":1234.5},"meter_id":"m","power_W":{"L1":1e-07,"total":0.0},'
    '"timestamp":"2026-03-04T10:15:30.123Z"}'
)


def boom(**_arguments: Any) -> NoReturn:
    raise RuntimeError("kaboom")


class Provider:
    """Module ``prov`` of EVerest's captures and the gateway; ``cons`` is a module of ours that calls it."""

    def __init__(self, dialect: DialectName) -> None:
        self.clock = VirtualClock(dt.datetime(2026, 11, 21, 8, 3, 21, 105_999, dt.UTC))
        self.broker = FakeBroker()
        ids = CallIds("everest")
        ids.new = lambda: CALL_ID  # type: ignore[method-assign]
        self.failures: list[Exception] = []
        bus = Bus(self.clock, lambda _pump: None, ids, lambda _module, error: self.failures.append(error))
        self.bus = bus
        self.gateway = Gateway(bus, Topics(), dialect, self.broker, now=self.clock.now_s)
        bus.taps.append(self.gateway)
        inbox = Inbox(bus, "prov")
        self.bsp = Implementation(bus, inbox, EvseBoardSupport, "bsp", Mapping(1, 1))
        self.kv = Implementation(bus, inbox, Kvs, "kv", None)
        self.pm = Implementation(bus, inbox, Powermeter, "pm", None)
        self.evse = Implementation(bus, inbox, EvseManager, "evse", Mapping(1))
        self.lock = Implementation(bus, inbox, ConnectorLock, "lock", None)
        self.lock.handle(ConnectorLock.unlock, boom)
        self.kv.handle(Kvs.exists, lambda key: key == "k")
        self.kv.handle(Kvs.store, lambda key, value: None)
        self.kv.handle(Kvs.load, lambda key: Deferred())
        self.kv.handle(Kvs.delete, boom)
        self.evse.handle(EvseManager.reserve, lambda reservation_id: "yes")  # type: ignore[arg-type, return-value]
        self.cons: Client[Kvs] = Client(self.kv, Inbox(bus, "cons"))

    def call(self, topic: str, args: str, *, bare: bool, call_id: str = '"1"') -> None:
        """A client calls."""
        call = f'{{"id":{call_id},"origin":"cons","args":{args}}}'
        payload = call if bare else f'{{"data":{call},"msg_type":"Cmd"}}'
        self.broker.send(f"everest/modules/{topic}", payload, 0)

    async def settle(self) -> None:
        for _ in range(20):
            self.bus.settle()
            await asyncio.sleep(0)


Provoke = Callable[[Provider, bool], object]
"""Does something on a provider; the second argument says whether calls come without envelope."""


class Row(NamedTuple):
    """What happens, and for each dialect what is then on the broker."""

    name: str
    provoke: Provoke
    topic: str
    payload: tuple[str, str, str]
    qos: tuple[int, int, int]
    retain: tuple[bool, bool, bool] = (False, False, False)
    starting: bool = False
    """It happens before the station is ready."""


def row_of_var(name: str, provoke: Provoke, topic: str, value: str, qos: int, *, retain: bool = False) -> Row:
    forms = (
        f'{{"data":{value},"msg_type":"Var"}}',
        f'{{"data":{{"data":{value}}},"msg_type":"Var"}}',
        f'{{"data":{value}}}',
    )
    return Row(name, provoke, f"{IMPL}/{topic}", forms, (qos, 2, qos), (retain, False, retain))


def row_of_answer(name: str, provoke: Provoke, command: str, everest: str, *, described: str = "") -> Row:
    """``everest`` and ``described`` hold what differs: the members of the answer, sorted, in EVerest's names or not."""
    described = described or everest
    forms = (
        f'{{"data":{{{described}}},"msg_type":"CmdResult"}}',
        f'{{"data":{{"data":{{{everest}}},"type":"result"}},"msg_type":"CmdResult"}}',
        f'{{"data":{{{described}}},"name":"{command.rsplit("/", 1)[1]}","type":"result"}}',
    )
    return Row(name, provoke, f"everest/modules/{command}/response/cons", forms, (1, 2, 1))


def row_of_failure(name: str, provoke: Provoke, event: tuple[str, str], message: str, command: str) -> Row:
    """``event`` is the name in seed 001 and the one of the real EVerest."""
    module = command.split("/", 1)[0]
    rest = f'"id":"1","origin":"{module}"'
    return row_of_answer(
        name,
        provoke,
        command,
        f'"error":{{"__everest__error_msg":"{message}","__everest__error_type":"{event[1]}"}},{rest}',
        described=f'"error":{{"event":"{event[0]}","msg":"{message}"}},{rest}',
    )


def row_of_error(name: str, state: str, provoke: Provoke) -> Row:
    def of(origin: str) -> str:
        return (
            '{"description":"Emergency stop is pressed by the user (required if equipped).","message":"estop pressed",'
            f'"origin":{{{origin}}},"severity":"High","state":"{state}","sub_type":"",'
            '"timestamp":"2026-11-21T08:03:21.105Z","type":"evse_board_support/MREC8EmergencyStop",'
            f'"uuid":"{ERROR_ID}","vendor_id":"everest"}}'
        )

    msg_type = "RaiseError" if state == "Active" else "ClearError"
    nested = of('"implementation_id":"bsp","mapping":{"connector":1,"evse":1},"module_id":"prov"')
    enveloped = f'{{"data":{nested},"msg_type":"{msg_type}"}}'
    flat = of('"connector":1,"evse":1,"implementation_id":"bsp","module_id":"prov"')
    return Row(
        name,
        provoke,
        f"{IMPL}/bsp/error/evse_board_support/MREC8EmergencyStop",
        (enveloped, enveloped, flat),
        (1, 2, 1),
    )


def row_of_ready(name: str, provoke: Provoke, topic: str, msg_type: str) -> Row:
    enveloped = f'{{"data":true,"msg_type":"{msg_type}"}}'
    forms = (enveloped, enveloped, "true")
    return Row(name, provoke, f"everest/{topic}", forms, (1, 2, 1), (True, False, True), starting=True)


def raise_stop(provider: Provider) -> Error:
    error = Error(
        type="evse_board_support/MREC8EmergencyStop",
        message="estop pressed",
        description="Emergency stop is pressed by the user (required if equipped).",
        severity="High",
        module_id="prov",
        implementation_id="bsp",
        mapping=provider.bsp.mapping,
        timestamp=provider.bus.timestamp(),
        uuid=ERROR_ID,
    )
    provider.bsp.errors.raise_error(error)
    return error


def clear_stop(provider: Provider) -> None:
    """The clear has the uuid and the time of the raise."""
    raise_stop(provider)
    provider.clock.advance(60, provider.bus.settle)
    provider.bsp.clear_error("evse_board_support/MREC8EmergencyStop")


def cleared_by_reboot(provider: Provider) -> None:
    error = raise_stop(provider)
    provider.bus.settle()
    provider.gateway.error_changed(provider.bsp, replace(error, state="ClearedByReboot"))


def time_out(provider: Provider, bare: bool) -> None:
    provider.call("prov/impl/kv/cmd/load", '{"key":"k"}', bare=bare)
    provider.bus.settle()
    provider.clock.advance(Kvs.load.timeout_s + 0.5, provider.bus.settle)


def shut_down(provider: Provider, bare: bool) -> None:
    provider.gateway.begin_shutdown()
    provider.call("prov/impl/kv/cmd/exists", '{"key":"k"}', bare=bare)


SCHEMA = ("SchemaValidationFailed", "SchemaValidationError")
PARSING = ("MessageParsingFailed", "MessageParsingError")
HANDLER = ("HandlerException", "HandlerException")

ROWS = [
    row_of_var(
        "telemetry",
        lambda it, _: it.pm.publish(Powermeter.powermeter, Powermeter.powermeter.validate_json(METER)),
        "pm/var/powermeter",
        METER,
        0,
    ),
    row_of_var(
        "state", lambda it, _: it.evse.publish(EvseManager.evse_id, "DE*1"), "evse/var/evse_id", '"DE*1"', 1
    ),
    row_of_var(
        "retained state",
        lambda it, _: it.evse.publish(EvseManager.ready, True),
        "evse/var/ready",
        "true",
        1,
        retain=True,
    ),
    row_of_var(
        "session event",
        lambda it, _: it.evse.publish(
            EvseManager.session_event,
            EvseManager.session_event.validate_json(
                '{"uuid":"u","timestamp":"2026-11-21T08:03:21.105Z","event":"Enabled"}'
            ),
        ),
        "evse/var/session_event",
        '{"event":"Enabled","timestamp":"2026-11-21T08:03:21.105Z","uuid":"u"}',
        2,
    ),
    Row(
        "call",
        lambda it, _: it.cons.call(Kvs.exists, "k"),
        f"{IMPL}/kv/cmd/exists",
        (
            f'{{"data":{{"args":{{"key":"k"}},"id":"{CALL_ID}","origin":"cons"}},"msg_type":"Cmd"}}',
            f'{{"data":{{"args":{{"key":"k"}},"id":"{CALL_ID}","origin":"cons"}},"msg_type":"Cmd"}}',
            f'{{"args":{{"key":"k"}},"id":"{CALL_ID}","origin":"cons"}}',
        ),
        (1, 2, 1),
    ),
    row_of_answer(
        "result of our own call",
        lambda it, _: it.cons.call(Kvs.exists, "k"),
        "prov/impl/kv/cmd/exists",
        f'"id":"{CALL_ID}","origin":"prov","retval":true',
    ),
    row_of_answer(
        "result of a client's call",
        lambda it, bare: it.call("prov/impl/kv/cmd/exists", '{"key":"x"}', bare=bare),
        "prov/impl/kv/cmd/exists",
        '"id":"1","origin":"prov","retval":false',
    ),
    row_of_answer(
        "no result, and an id that is a number",
        lambda it, bare: it.call(
            "prov/impl/kv/cmd/store", '{"key":"x","value":{"a":[1.5]}}', bare=bare, call_id="17"
        ),
        "prov/impl/kv/cmd/store",
        '"id":17,"origin":"prov","retval":null',
    ),
    row_of_failure(
        "arguments that are no object",
        lambda it, bare: it.call("prov/impl/kv/cmd/exists", '["k"]', bare=bare),
        PARSING,
        "args: must be an object with the arguments by name",
        "prov/impl/kv/cmd/exists",
    ),
    row_of_failure(
        "a missing argument",
        lambda it, bare: it.call("prov/impl/kv/cmd/exists", "{}", bare=bare),
        SCHEMA,
        "key: argument missing (string expected)",
        "prov/impl/kv/cmd/exists",
    ),
    row_of_failure(
        "a wrong argument",
        lambda it, bare: it.call("prov/impl/kv/cmd/exists", '{"key":1}', bare=bare),
        SCHEMA,
        "key: Input should be a valid string (given: 1)",
        "prov/impl/kv/cmd/exists",
    ),
    row_of_failure(
        "an unknown command",
        lambda it, bare: it.call("prov/impl/lock/cmd/open", "{}", bare=bare),
        SCHEMA,
        "interface connector_lock has no command open; there are: lock, unlock",
        "prov/impl/lock/cmd/open",
    ),
    row_of_failure(
        "an unknown implementation",
        lambda it, bare: it.call("prov/impl/xy/cmd/lock", "{}", bare=bare),
        SCHEMA,
        "module prov has no implementation xy; there are: bsp, evse, kv, lock, pm",
        "prov/impl/xy/cmd/lock",
    ),
    row_of_failure(
        "an unknown module",
        lambda it, bare: it.call("nobody/impl/kv/cmd/exists", "{}", bare=bare),
        SCHEMA,
        "there is no module nobody; there are: prov",
        "nobody/impl/kv/cmd/exists",
    ),
    row_of_failure(
        "hardware",
        lambda it, bare: it.call("prov/impl/lock/cmd/unlock", "{}", bare=bare),
        HANDLER,
        "commands of hardware interfaces are taken only from modules that the configuration connects",
        "prov/impl/lock/cmd/unlock",
    ),
    row_of_failure(
        "an exception of the handler",
        lambda it, bare: it.call("prov/impl/kv/cmd/delete", '{"key":"k"}', bare=bare),
        HANDLER,
        "RuntimeError: kaboom",
        "prov/impl/kv/cmd/delete",
    ),
    row_of_failure(
        "a result that is none",
        lambda it, bare: it.call("prov/impl/evse/cmd/reserve", '{"reservation_id":1}', bare=bare),
        HANDLER,
        "the result does not fit evse_manager.reserve: Input should be a valid boolean (given: 'yes')",
        "prov/impl/evse/cmd/reserve",
    ),
    row_of_failure(
        "no result in time",
        time_out,
        ("Timeout", "CmdTimeout"),
        f"no result within {Kvs.load.timeout_s:g} s",
        "prov/impl/kv/cmd/load",
    ),
    row_of_failure(
        "the station ends",
        shut_down,
        ("Shutdown", "Shutdown"),
        "the station is shutting down",
        "prov/impl/kv/cmd/exists",
    ),
    row_of_failure(
        "the station starts",
        lambda it, bare: it.call("prov/impl/kv/cmd/exists", '{"key":"k"}', bare=bare),
        ("NotReady", "NotReady"),
        "the station is starting: not all modules are ready",
        "prov/impl/kv/cmd/exists",
    )._replace(starting=True),
    row_of_ready(
        "module ready", lambda it, _: it.gateway.module_ready("prov"), "modules/prov/ready", "ModuleReady"
    ),
    row_of_ready("all ready", lambda it, _: it.gateway.all_ready(), "ready", "GlobalReady"),
    row_of_error("error raised", "Active", lambda it, _: raise_stop(it)),
    row_of_error("error cleared", "ClearedByModule", lambda it, _: clear_stop(it)),
    row_of_error("error that a reboot has cleared", "ClearedByReboot", lambda it, _: cleared_by_reboot(it)),
    Row(
        "metadata",
        lambda it, _: it.gateway.module_created("prov", "TProv"),
        "everest/modules/prov/metadata",
        (
            "",
            (
                '{"data":{"module":"TProv","provides":{"bsp":{"interface":"evse_board_support"},'
                '"evse":{"interface":"evse_manager"},"kv":{"interface":"kvs"},"lock":{"interface":"connector_lock"},'
                '"pm":{"interface":"powermeter"}}},"msg_type":"ConfigurationResponse"}'
            ),
            "",
        ),
        (0, 2, 0),
        starting=True,
    ),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_on_the_broker(row: Row, dialect: DialectName) -> None:
    index = DIALECTS.index(dialect)

    async def scenario() -> None:
        provider = Provider(dialect)
        if not row.starting:
            provider.gateway.all_ready()
        await provider.gateway.start()
        await provider.settle()
        provider.broker.sent.clear()
        row.provoke(provider, dialect == "classic")
        await provider.settle()
        found = [sent for sent in provider.broker.sent if sent.topic == row.topic]
        payload = row.payload[index]
        expected = Sent(row.topic, payload, row.qos[index], row.retain[index])
        # The last one: an error is raised before it is cleared.
        assert found[-1:] == ([expected] if payload else [])
        await provider.gateway.stop()

    run(scenario())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_wrong_is_said_again_after_a_reconnect(dialect: DialectName) -> None:
    """Whoever lost the connection too, or came with the new broker, has not heard of it."""
    topic = f"{IMPL}/bsp/error/evse_board_support/MREC8EmergencyStop"

    async def scenario() -> None:
        provider = Provider(dialect)
        provider.gateway.all_ready()
        raise_stop(provider)
        await provider.gateway.start()
        await provider.settle()
        raised = provider.broker.on(topic)
        assert len(raised) == 1, "said once where there was no connection before"
        provider.broker.lose()
        provider.broker.reach()
        await provider.settle()
        assert provider.broker.on(topic) == raised * 2
        provider.broker.lose()
        provider.bsp.clear_error("evse_board_support/MREC8EmergencyStop")
        provider.broker.reach()
        await provider.settle()
        assert ["ClearedByModule" in said for said in provider.broker.on(topic)] == [False, False, True]
        await provider.gateway.stop()

    run(scenario())


def test_the_table_has_every_error_of_a_call() -> None:
    """Of seed 001."""
    described = "".join(row.payload[0] for row in ROWS)
    assert [event for event in get_args(CallErrorType) if f'"event":"{event}"' not in described] == []
