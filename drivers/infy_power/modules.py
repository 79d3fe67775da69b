"""What the modules are together: their limits, their output, their errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drivers.infy_power.codec import Alarm
from drivers.infy_power.state import (
    FRESH_S,
    MIN_EXPORT_A,
    MODULE_SILENCE_S,
    OFF_WAIT_S,
    SAFE_A,
    PowerModule,
    Settings,
    State,
)
from evse_daemon.types import power_supply_DC as types

COMMUNICATION = "power_supply_DC/CommunicationFault"
HARDWARE = "power_supply_DC/HardwareFault"
WARNING = "power_supply_DC/VendorWarning"

# EVerest's table (InfyPower, main/power_supply_DCImpl.cpp), but for the input: there a low one is UnderVoltageDC, and a
# high one and unequal phases are UnderVoltageAC; two modules at one address go unnoticed.
ERRORS: tuple[tuple[Alarm, str, str], ...] = (
    (Alarm.FAULT, HARDWARE, "reports a fault"),
    (Alarm.PROTECTION, HARDWARE, "has switched itself off to protect itself"),
    (Alarm.LOAD_SHARING, HARDWARE, "cannot share the load with the others"),
    (Alarm.DISCHARGE_ABNORMAL, HARDWARE, "does not discharge its output"),
    (Alarm.OVER_TEMPERATURE, "power_supply_DC/OverTemperature", "is too hot"),
    (Alarm.OUTPUT_OVER_VOLTAGE, "power_supply_DC/OverVoltageDC", "has too high an output voltage"),
    (Alarm.OUTPUT_SHORT, "power_supply_DC/OverCurrentDC", "has a short circuit at its output"),
    (Alarm.INPUT_LOW, "power_supply_DC/UnderVoltageAC", "has too low an input voltage"),
    (Alarm.INPUT_HIGH, "power_supply_DC/OverVoltageAC", "has too high an input voltage"),
    (Alarm.INPUT_PHASE_LOST, "power_supply_DC/VendorError", "misses an input phase"),
    (Alarm.INPUT_UNBALANCED, "power_supply_DC/VendorError", "has unequal input phases"),
    (Alarm.ID_REPEATED, "power_supply_DC/VendorError", "shares its address with another one"),
    (Alarm.COMMUNICATION_INTERRUPT, COMMUNICATION, "says that it has not heard the charger"),
    (Alarm.FAN_FAULT, WARNING, "has a defective fan"),
)


def fresh(state: State, now_s: float) -> Iterator[tuple[int, PowerModule]]:
    """The modules that have told their status just now."""
    for address, module in sorted(state.modules.items()):
        if now_s - module.status_s <= FRESH_S:
            yield address, module


def capabilities(modules: Mapping[int, PowerModule], settings: Settings) -> types.Capabilities | None:
    """What the modules can give together; None while none has said what it can."""
    known = [module.capabilities for module in modules.values() if module.capabilities is not None]
    if not known:
        return None
    return types.Capabilities(
        bidirectional=False,
        current_regulation_tolerance_A=0.0,
        peak_current_ripple_A=0.0,
        max_export_voltage_V=min(each.max_voltage_V for each in known),
        min_export_voltage_V=max(each.min_voltage_V for each in known),
        max_export_current_A=round(sum(each.max_current_A for each in known), 3),
        min_export_current_A=MIN_EXPORT_A,
        max_export_power_W=sum(each.rated_power_W for each in known),
        max_import_voltage_V=0.0,
        min_import_voltage_V=0.0,
        max_import_current_A=0.0,
        min_import_current_A=0.0,
        conversion_efficiency_export=settings.efficiency,
    )


def output(state: State, now_s: float) -> tuple[types.VoltageCurrent, float] | None:
    """Voltage and current of the supply, and when they were read; None where nothing is known of now.

    The voltage is the highest: a relay or a car must stand the highest, too.
    """
    read = [
        module
        for module in state.modules.values()
        if module.output_s is not None and now_s - module.output_s <= FRESH_S
    ]
    if not read:
        return None
    voltage_v = max(
        module.external_V
        if module.external_s is not None and now_s - module.external_s <= FRESH_S
        else module.voltage_V
        for module in read
    )
    value = types.VoltageCurrent(voltage_V=voltage_v, current_A=sum(module.current_A for module in read))
    return value, max(module.output_s or 0.0 for module in read)


def is_off(module: PowerModule, since_s: float) -> bool:
    """Whether a module has confirmed, later than that, that it gives nothing."""
    said_off = module.status_s > since_s and Alarm.DC_OFF in module.alarms
    return said_off or (
        module.output_s is not None and module.output_s > since_s and abs(module.current_A) < SAFE_A
    )


def mode(state: State, now_s: float) -> types.Mode | None:
    """What the supply does; None before a module has said it."""
    if state.fault is not None:
        return "Fault" if state.told_mode is not None else None
    alarms = [module.alarms for _, module in fresh(state, now_s)]
    if not alarms:
        return None
    if any(Alarm.FAULT in each for each in alarms):
        return "Fault"
    return "Off" if all(Alarm.DC_OFF in each for each in alarms) else "Export"


def errors(state: State, now_s: float) -> dict[str, str]:
    """The errors that are there now, with their messages, from the modules' latest words."""
    found: dict[str, list[str]] = {}
    if state.fault:
        found.setdefault(COMMUNICATION, []).append(state.fault)
    for address, module in sorted(state.modules.items()):
        name = f"power module {address}" + (f" ({module.serial})" if module.serial else "")
        for alarm, error, text in ERRORS:
            if alarm in module.alarms:
                found.setdefault(error, []).append(f"{name} {text}")
        age_s = now_s - module.status_s
        if state.fault is None and age_s > MODULE_SILENCE_S:
            found.setdefault(WARNING, []).append(f"{name} has not answered for {age_s:.0f} s")
        overdue = not state.is_on and now_s - state.off_since_s > OFF_WAIT_S
        if overdue and age_s <= FRESH_S and _gives_current(module, state.off_since_s + OFF_WAIT_S):
            found.setdefault(HARDWARE, []).append(
                f"{name} gives {module.current_A:.1f} A although it is told to be off"
            )
    return {error: "; ".join(texts) for error, texts in found.items()}


def _gives_current(module: PowerModule, since_s: float) -> bool:
    return module.output_s is not None and module.output_s > since_s and not is_off(module, since_s)
