"""The charger's states and every way from one to another; docs/state-diagrams.md is made from these tables.

The conditions are in charger.py, with their order. A way that is not declared here is a fault in the kernel and is
treated as one: power goes off and the EVSE begins anew (design rule 9).
"""

from __future__ import annotations

from evse_daemon.modules.evse_manager.state import ChargerState

STATES: dict[ChargerState, str] = {
    "Starting": "Transactions of a run before this one are ended; or somebody outside is yet to say that charging may begin.",
    "Disabled": "Out of service: control pilot in state F, board disabled.",
    "Idle": "No car; X1. With an error that prevents charging: state F.",
    "WaitingForAuthentication": "A car is there; X1 until it may charge.",
    "PrepareCharging": "The transaction runs, PWM offers the current, the car is yet to want it. X1 without energy.",
    "Charging": "Power is on.",
    "ChargingPausedEV": "The car wants no power; PWM offers it.",
    "ChargingPausedEVSE": "X1: the user, an error or missing energy pauses charging.",
    "StoppingCharging": "X1: the contactor is yet to be open.",
    "Finished": "The transaction is over; the car is yet to leave.",
    "T_step_EF": "State F for 4 s, then X1: it wakes a car that sleeps.",
    "SwitchPhases": "X1 or F: the contactor opens, the board switches between one and three phases.",
}

TRANSITIONS: dict[tuple[ChargerState, ChargerState], str] = {
    ("Starting", "Idle"): "ready, enabled",
    ("Starting", "Disabled"): "ready, disabled",
    ("Disabled", "Idle"): "enabled",
    ("Idle", "Disabled"): "disabled",
    ("Idle", "WaitingForAuthentication"): "a car is plugged in",
    ("WaitingForAuthentication", "PrepareCharging"): "the transaction is stored",
    ("WaitingForAuthentication", "Finished"): "the car leaves, an error, disabled",
    ("PrepareCharging", "Charging"): "the car wants power, energy is there, the connector is locked",
    ("PrepareCharging", "T_step_EF"): "30 s of PWM and no answer",
    ("PrepareCharging", "ChargingPausedEV"): "woken up, 10 s and no answer",
    ("PrepareCharging", "ChargingPausedEVSE"): "the car gives up waiting for energy",
    ("PrepareCharging", "StoppingCharging"): "stopped, an error, the car leaves",
    ("T_step_EF", "PrepareCharging"): "4.75 s, an error, the car leaves",
    (
        "Charging",
        "StoppingCharging",
    ): "the car wants no more, paused, no energy, an error, stopped, the car leaves",
    ("Charging", "SwitchPhases"): "another number of phases is wanted",
    ("SwitchPhases", "PrepareCharging"): "switched or given up, an error, stopped, the car leaves",
    ("StoppingCharging", "Finished"): "open; stopped, or the car left",
    ("StoppingCharging", "ChargingPausedEVSE"): "open; paused, no energy, an error",
    ("StoppingCharging", "ChargingPausedEV"): "open; the car wants no power",
    ("StoppingCharging", "PrepareCharging"): "open; the car wants power again",
    ("ChargingPausedEV", "PrepareCharging"): "the car wants power",
    ("ChargingPausedEV", "ChargingPausedEVSE"): "no energy, an error",
    ("ChargingPausedEV", "StoppingCharging"): "stopped, the car leaves",
    ("ChargingPausedEVSE", "PrepareCharging"): "no reason is left",
    ("ChargingPausedEVSE", "StoppingCharging"): "stopped, the car leaves",
    ("Finished", "Idle"): "the car left, disabled, the process ends",
}
"""What leads from a state to another, in short. Stopped: from outside, disabled, or as the process ends."""
