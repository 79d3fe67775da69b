"""The life of the power modules: polled, told what is wanted, switched off where nothing is known of them.

Whether a module is on is decided from the present state after each event; it is told when that changes, and again every
second. A link that is lost, or modules that have all fallen silent, take the wish for power with them: it takes a new
command to switch on.
"""

from __future__ import annotations

import math
from dataclasses import replace

from drivers.infy_power import modules as together
from drivers.infy_power.codec import (
    GROUP,
    MAX_A,
    MAX_V,
    SINGLE_MODULE,
    BadFrameError,
    Barcode,
    Capabilities,
    Command,
    External,
    ModuleCount,
    Output,
    Read,
    Reading,
    Request,
    SetPoint,
    Status,
    Switch,
    decode_id,
    decode_response,
    request,
)
from drivers.infy_power.state import (
    COMMANDS_S,
    GROUP_ADDRESS,
    MIN_EXPORT_A,
    MODULE_GAP_S,
    OFF_AGAIN_S,
    OFF_WAIT_S,
    ROUND_S,
    SHORTEST_GAP_S,
    SILENCE_S,
    Clear,
    Due,
    Effect,
    Event,
    LinkLost,
    LinkUp,
    Note,
    OffDone,
    PowerModule,
    Raise,
    Received,
    Refuse,
    Send,
    SetMode,
    SetVoltageCurrent,
    State,
    TellCapabilities,
    TellMode,
    TellOutput,
)

Result = tuple[State, tuple[Effect, ...]]


def step(state: State, event: Event, now_s: float) -> Result:
    """The state after an event, and what is to be done, in this order.

    Args:
        state: before.
        event: what happened.
        now_s: monotonic seconds.
    """
    effects: list[Effect] = []
    match event:
        case LinkUp():
            state = replace(state, link_up=True, queue=(), next_round_s=now_s, commands_s=-math.inf)
            effects += _switch_off(state)
        case LinkLost(reason):
            state = _communication_lost(
                replace(state, link_up=False, queue=()), f"the CAN bus is lost: {reason}"
            )
        case Received(frame):
            if not frame.extended or decode_id(frame.id).destination != state.settings.controller:
                return state, ()
            try:
                fields, reading = decode_response(frame)
            except BadFrameError as error:
                return state, (Note("frame", f"a frame that cannot be used: {error}"),)
            before = state
            state = _take(state, fields.source, reading, now_s)
            if (before.fault and state.fault is None) or (
                state.group_count > before.group_count and not state.is_on
            ):
                effects += _switch_off(state)
        case SetMode(on):
            state = replace(state, wanted_on=on)
            if not on:
                # Sent also where they should be off already: whoever asks opens a relay next.
                state = replace(_told_off(state, now_s), off_asked_s=now_s, off_again_s=now_s + OFF_AGAIN_S)
                effects += _off_and_ask(state)
        case SetVoltageCurrent(voltage_v, current_a):
            if not (0.0 <= voltage_v < MAX_V and 0.0 <= current_a < MAX_A):
                return state, (Refuse(f"{voltage_v:g} V and {current_a:g} A is no set point"),)
            state = replace(state, voltage_V=voltage_v, current_A=current_a)
            if (beyond := _beyond_limits(state)) is not None:
                effects.append(Refuse(beyond))
        case Due():
            state, more = _due(state, now_s)
            effects += more
    state, more = _settle(state, now_s)
    return state, (*effects, *more)


def deadline_s(state: State) -> float:
    """When the state wants to hear of the time."""
    due = [state.next_round_s]
    if state.queue:
        due.append(state.next_send_s)
    if state.off_asked_s is not None:
        due.append(state.off_again_s)
    return min(due)


def all_off(state: State) -> list[Send]:
    """What switches every module off, whatever is known of it: on every way out."""
    return _switch_off(state)


def _take(state: State, source: int, reading: Reading, now_s: float) -> State:
    """A module, or the first of a group, has said something."""
    if isinstance(reading, ModuleCount):
        return state if state.settings.addresses else replace(state, group_count=reading.count)
    if source not in _addresses(state):
        return state
    module = state.modules.get(source)
    if isinstance(reading, Status):
        module = replace(module or PowerModule(now_s, reading.alarms), status_s=now_s, alarms=reading.alarms)
        state = replace(state, quiet_since_s=now_s, fault=None if state.link_up else state.fault)
    elif module is None:
        # It begins with its status: that says whether it is alive and well.
        return state
    match reading:
        case Output(voltage_v, current_a):
            module = replace(module, voltage_V=voltage_v, current_A=current_a, output_s=now_s)
        case External(voltage_v, _):
            module = replace(module, external_V=voltage_v, external_s=now_s)
        case Capabilities():
            module = replace(module, capabilities=reading)
        case Barcode():
            module = replace(module, serial=str(reading))
    return replace(state, modules={**state.modules, source: module})


def _due(state: State, now_s: float) -> tuple[State, list[Effect]]:
    effects: list[Effect] = []
    if state.queue and now_s >= state.next_send_s:
        (address, what), *rest = state.queue
        effects.append(_send(state, address, what))
        gap_s = max(MODULE_GAP_S / max(len(_addresses(state)), 1), SHORTEST_GAP_S)
        state = replace(state, queue=tuple(rest), next_send_s=now_s + gap_s)
    if state.off_asked_s is not None and now_s >= state.off_again_s:
        effects += _off_and_ask(state)
        state = replace(state, off_again_s=now_s + OFF_AGAIN_S)
    if now_s >= state.next_round_s:
        state = _round(replace(state, next_round_s=now_s + ROUND_S), now_s)
        if (found := together.output(state, now_s)) is not None and found[1] > state.told_output_s:
            effects.append(TellOutput(found[0]))
            state = replace(state, told_output_s=found[1])
    return state, effects


def _round(state: State, now_s: float) -> State:
    """Removes who was silent for too long, and asks everybody for everything."""
    kept = {
        address: module
        for address, module in state.modules.items()
        if now_s - module.status_s <= state.settings.removal_s
    }
    state = replace(state, modules=kept) if len(kept) < len(state.modules) else state
    if not state.fault and now_s - state.quiet_since_s > SILENCE_S:
        state = _communication_lost(state, f"no power module has answered for {SILENCE_S:g} s")
    if not state.link_up or state.queue:
        return state
    queue: list[tuple[int, Request]] = []
    if not state.settings.addresses:
        queue.append((GROUP_ADDRESS, Read(Command.MODULE_COUNT)))
    if now_s - state.commands_s >= COMMANDS_S:
        state = replace(state, commands_s=now_s)
        queue += _wanted(state)
    for command in (Command.OUTPUT, Command.STATUS, Command.EXTERNAL):
        queue += [(address, Read(command)) for address in _addresses(state)]
    for address, module in state.modules.items():
        if module.capabilities is None:
            queue.append((address, Read(Command.CAPABILITIES)))
        if not module.serial:
            queue.append((address, Read(Command.BARCODE)))
    return replace(state, queue=tuple(queue), next_send_s=max(state.next_send_s, now_s))


def _settle(state: State, now_s: float) -> tuple[State, list[Effect]]:
    """What follows from the state as it is now: on or off, and what is told."""
    effects: list[Effect] = []
    on = _may_be_on(state)
    if state.is_on and not on:
        state = _told_off(state, now_s)
        effects += _switch_off(state)
    if on and state.shared != (shared := (_set_point(state), tuple(state.modules))):
        told = state.shared[1] if state.shared is not None else ()
        # First those that are on: where one joins them, each gives less.
        effects += [
            _send(state, each, shared[0]) for each in sorted(shared[1], key=lambda each: each not in told)
        ]
        effects += [_send(state, each, Switch(on=True)) for each in shared[1] if each not in told]
        state = replace(state, is_on=True, shared=shared, queue=_reads(state))
    if state.off_asked_s is not None and (on or _all_off(state, state.off_asked_s, now_s)):
        state = replace(state, off_asked_s=None)
        effects.append(OffDone())
    state, told_now = _tell(state, now_s)
    return state, [*effects, *told_now]


def _told_off(state: State, now_s: float) -> State:
    """The state of modules that are told to be off."""
    since_s = now_s if state.is_on else state.off_since_s
    return replace(state, is_on=False, shared=None, queue=_reads(state), off_since_s=since_s)


def _reads(state: State) -> tuple[tuple[int, Request], ...]:
    """The queue without what was wanted before."""
    return tuple((address, what) for address, what in state.queue if isinstance(what, Read))


def _may_be_on(state: State) -> bool:
    """Whether the modules are to be on, by all that is known now."""
    return (
        state.wanted_on
        and state.fault is None
        and state.voltage_V is not None
        and together.capabilities(state.modules, state.settings) is not None
        and _beyond_limits(state) is None
    )


def _all_off(state: State, asked_s: float, now_s: float) -> bool:
    """Whether each module has confirmed it, or will not."""
    return (
        state.fault is not None
        or now_s - asked_s > OFF_WAIT_S
        or all(together.is_off(module, state.off_since_s) for module in state.modules.values())
    )


def _tell(state: State, now_s: float) -> tuple[State, list[Effect]]:
    effects: list[Effect] = []
    can = together.capabilities(state.modules, state.settings)
    if can is not None and can != state.told_capabilities:
        effects.append(TellCapabilities(can))
        state = replace(state, told_capabilities=can)
    mode = together.mode(state, now_s)
    if mode is not None and mode != state.told_mode:
        effects.append(TellMode(mode))
        state = replace(state, told_mode=mode)
    errors = together.errors(state, now_s)
    effects += [Raise(error, text) for error, text in errors.items() if error not in state.errors]
    # Cleared last: by then the modules have been told again what is wanted.
    effects += [Clear(error) for error in state.errors if error not in errors]
    return replace(state, errors=errors), effects


def _communication_lost(state: State, reason: str) -> State:
    return replace(state, fault=reason, wanted_on=False)


def _beyond_limits(state: State) -> str | None:
    """Why the modules cannot give the voltage that is asked; None where they can, or have not said what they can."""
    can = together.capabilities(state.modules, state.settings)
    if can is None or state.voltage_V is None:
        return None
    low_v, high_v = can.min_export_voltage_V, can.max_export_voltage_V
    if low_v <= state.voltage_V <= high_v:
        return None
    return f"the power modules give {low_v:g} V to {high_v:g} V, not {state.voltage_V:g} V: they stay off"


def _wanted(state: State) -> list[tuple[int, Request]]:
    """The whole wanted set, as requests."""
    if not state.is_on:
        return [(address, Switch(on=False)) for address in _addresses(state)]
    point = _set_point(state)
    return [(each, point) for each in state.modules] + [(each, Switch(on=True)) for each in state.modules]


def _set_point(state: State) -> SetPoint:
    """The share of each module: equal ones, of a current that the modules can give."""
    assert state.voltage_V is not None
    can = together.capabilities(state.modules, state.settings)
    most_a = can.max_export_current_A if can is not None else 0.0
    current_a = min(max(state.current_A, MIN_EXPORT_A), most_a)
    return SetPoint(state.voltage_V, current_a / max(len(state.modules), 1))


def _switch_off(state: State) -> list[Send]:
    return [_send(state, address, Switch(on=False)) for address in _addresses(state)]


def _off_and_ask(state: State) -> list[Send]:
    asked = [
        _send(state, each, Read(what)) for each in state.modules for what in (Command.STATUS, Command.OUTPUT)
    ]
    return _switch_off(state) + asked


def _addresses(state: State) -> tuple[int, ...]:
    """Every module that may be there."""
    if state.settings.addresses:
        return state.settings.addresses
    return tuple(sorted({*range(state.group_count), *state.modules}))


def _send(state: State, address: int, what: Request) -> Send:
    settings = state.settings
    if address == GROUP_ADDRESS:
        return Send(request(what, controller=settings.controller, to=settings.group, device=GROUP))
    return Send(request(what, controller=settings.controller, to=address, device=SINGLE_MODULE))
