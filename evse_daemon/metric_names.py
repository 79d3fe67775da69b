"""Every metric: the only place with their names. docs/metrics.md is made from it.

Names follow Prometheus' practice (https://prometheus.io/docs/practices/naming): base units, so joules and not kWh;
the moment at which something happened and not its age. ``evse_…`` is of the charger, ``evse_daemon_…`` of the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from evse_daemon.framework.measures import Metric, MetricKind


@dataclass(frozen=True, slots=True)
class Group:
    """Metrics of one thing."""

    title: str
    metrics: list[Metric] = field(default_factory=list)

    def counter(self, name: str, text: str, *labels: str) -> Metric:
        """It only grows, from 0 at the start of the process."""
        return self._declare(name, "counter", text, labels)

    def gauge(self, name: str, text: str, *labels: str) -> Metric:
        return self._declare(name, "gauge", text, labels)

    def histogram(self, name: str, text: str) -> Metric:
        return self._declare(name, "histogram", text, ())

    def _declare(self, name: str, kind: MetricKind, text: str, labels: tuple[str, ...]) -> Metric:
        self.metrics.append(metric := Metric(name, kind, text, labels))
        return metric


EVSE = Group("An EVSE")
STATE = EVSE.gauge("evse_state", "1 for the state that the EVSE is in, 0 for the others.", "evse", "state")
ENABLED = EVSE.gauge("evse_enabled", "1 while it is enabled (enable_disable).", "evse")
INOPERATIVE = EVSE.gauge("evse_inoperative", "1 while an error prevents charging.", "evse")
CAR_CONNECTED = EVSE.gauge(
    "evse_car_connected",
    "1 while a car is plugged in; absent while the link to the board is lost.",
    "evse",
)
AUTHORIZED = EVSE.gauge("evse_authorized", "1 while the present session is authorized.", "evse")
POWER_PERMITTED = EVSE.gauge("evse_power_permitted", "1 while all that power needs is given.", "evse")
POWER_COMMANDED = EVSE.gauge("evse_power_commanded", "1 while the board is told to switch power on.", "evse")
CONTACTOR_CLOSED = EVSE.gauge(
    "evse_contactor_closed",
    "1 while the contactor is closed, as the board reports it; absent while the link to the board is lost.",
    "evse",
)
PHASES = EVSE.gauge("evse_phases", "On how many phases the car charges or would charge.", "evse")
UNSTORED_ENDS = EVSE.gauge(
    "evse_unstored_transaction_ends", "Ends of transactions that the store has not taken yet.", "evse"
)

LIMITS = Group("Limits of the current")
ALLOWED = LIMITS.gauge(
    "evse_allowed_current_amperes", "What the car may take on each phase: the smallest limit.", "evse"
)
OFFERED = LIMITS.gauge("evse_offered_current_amperes", "What the car is told by PWM now, 0 without.", "evse")
LIMIT = LIMITS.gauge(
    "evse_limit_amperes",
    "Each source of a limit, per phase; kinds and sources as in docs/explain.md.",
    "evse",
    "kind",
    "source",
)
LIMIT_DECIDES = LIMITS.gauge(
    "evse_limit_decides", "1 for the smallest of the limits in force, 0 for others.", "evse", "kind", "source"
)
NODE_LIMIT_AMPERES = LIMITS.gauge(
    "evse_energy_node_limit_amperes",
    "What a node of the energy tree lets through on each phase now; source is fuse, external or safe_current.",
    "node",
    "source",
)
NODE_LIMIT_WATTS = LIMITS.gauge(
    "evse_energy_node_limit_watts", "As above, where the limit is one of power.", "node", "source"
)
NODE_SILENT = LIMITS.gauge(
    "evse_energy_node_limits_silent",
    "1 while nobody sets the limits that daemon.external_limits expects, and SafeCurrent holds.",
    "node",
)
NODE_HEARD = LIMITS.gauge(
    "evse_energy_node_limits_received_timestamp_seconds",
    "When limits were set there last (Unix time).",
    "node",
)

METER = Group("Meter and energy")
METER_READ = METER.gauge(
    "evse_meter_reading_timestamp_seconds", "When the newest reading came (Unix time).", "evse"
)
POWER = METER.gauge("evse_power_watts", "Power of all phases, positive towards the car.", "evse")
PHASE_POWER = METER.gauge("evse_phase_power_watts", "Power of one phase.", "evse", "phase")
PHASE_CURRENT = METER.gauge("evse_phase_current_amperes", "Current of one phase, or of N.", "evse", "phase")
PHASE_VOLTAGE = METER.gauge("evse_phase_voltage_volts", "Voltage of one phase.", "evse", "phase")
ENERGY = METER.counter(
    "evse_energy_import_joules_total",
    "The meter's own count of energy to the car; 3 600 000 J are 1 kWh.",
    "evse",
)
SESSION_ENERGY = METER.gauge(
    "evse_session_energy_joules",
    "Energy of the present transaction; after its end of that one, until the next session.",
    "evse",
)
TEMPERATURE = METER.gauge("evse_temperature_celsius", "Inside the EVSE, as its board tells it.", "evse")

SESSIONS = Group("Sessions, authorization, errors")
SESSIONS_STARTED = SESSIONS.counter("evse_sessions_started_total", "Sessions begun.", "evse")
SESSIONS_FINISHED = SESSIONS.counter("evse_sessions_finished_total", "Sessions ended.", "evse")
TRANSACTIONS_STARTED = SESSIONS.counter("evse_transactions_started_total", "Transactions begun.", "evse")
TRANSACTIONS_FINISHED = SESSIONS.counter(
    "evse_transactions_finished_total", "Transactions ended, by EVerest's reason.", "evse", "reason"
)
AUTHORIZATIONS = SESSIONS.counter(
    "evse_authorizations_total",
    "What became of tokens, in EVerest's words: Accepted and Rejected are the validation's answers.",
    "module",
    "status",
)
ERRORS_ACTIVE = SESSIONS.gauge(
    "evse_errors_active",
    "Active errors of a type; a series appears with the first and stays, with 0 (docs/errors.md).",
    "module",
    "type",
    "severity",
)
ERRORS_RAISED = SESSIONS.counter(
    "evse_errors_raised_total",
    "Errors raised; a series appears with the first.",
    "module",
    "type",
    "severity",
)

WIRE = Group("Boards and their wires")
BOARD_LINK_UP = WIRE.gauge("evse_board_link_up", "1 while the wire to the board is open.", "module")
BOARD_RUNNING = WIRE.gauge(
    "evse_board_running", "1 while the board answers; only then power may be on.", "module"
)
BOARD_HEARD = WIRE.gauge(
    "evse_board_alive_timestamp_seconds", "When the board's last keep-alive came (Unix time).", "module"
)
BOARD_LOSSES = WIRE.counter(
    "evse_board_losses_total", "How often a board that answered was lost or restarted.", "module"
)
BOARD_RESETS = WIRE.counter("evse_board_resets_total", "Restarts that the board has reported.", "module")
BOARD_RECEIVED = WIRE.counter("evse_board_messages_received_total", "Messages of the board.", "module")
BOARD_SENT = WIRE.counter("evse_board_messages_sent_total", "Messages to the board.", "module")
BOARD_IGNORED = WIRE.counter(
    "evse_board_messages_ignored_total", "Messages of the board that make no sense.", "module"
)
SERIAL_FRAMES = WIRE.counter("evse_serial_frames_received_total", "Frames with a good checksum.", "module")
SERIAL_DAMAGED = WIRE.counter(
    "evse_serial_frames_damaged_total",
    "Frames that were thrown away; after each the reader is in step again at the next zero.",
    "module",
    "reason",
)
SERIAL_GARBAGE = WIRE.counter("evse_serial_garbage_bytes_total", "Bytes of damaged frames.", "module")
SERIAL_UNSENT = WIRE.counter(
    "evse_serial_messages_unsent_total",
    "Messages that the port did not take, or while it was gone.",
    "module",
)
ISOTP_DROPPED = WIRE.counter(
    "evse_isotp_messages_dropped_total", "Messages over CAN that did not arrive or leave whole.", "module"
)
CAN_UP = WIRE.gauge("evse_can_bus_up", "1 while the CAN bus is open.", "module")
CAN_LOSSES = WIRE.counter("evse_can_bus_losses_total", "How often the CAN bus was lost.", "module")
CAN_ERRORS = WIRE.counter("evse_can_error_frames_total", "Error frames of the CAN controller.", "module")
MODBUS_REQUESTS = WIRE.counter("evse_modbus_requests_total", "Requests sent.", "module", "device")
MODBUS_TIMEOUTS = WIRE.counter(
    "evse_modbus_timeouts_total", "Requests without an answer that made sense.", "module", "device"
)
MODBUS_REFUSALS = WIRE.counter(
    "evse_modbus_refusals_total", "Requests that the device refused.", "module", "device"
)
MODBUS_LINE_FAILURES = WIRE.counter(
    "evse_modbus_line_failures_total", "Attempts to open the line that failed.", "module"
)

MQTT = Group("MQTT")
MQTT_CONNECTED = MQTT.gauge(
    "evse_daemon_mqtt_connected",
    "1 while this connection to the broker stands: publisher or subscriber (commands are heard).",
    "connection",
)
MQTT_RECONNECTS = MQTT.counter(
    "evse_daemon_mqtt_reconnects_total", "How often it was made again after the first time.", "connection"
)
MQTT_WAITING = MQTT.gauge("evse_daemon_mqtt_outbox_messages", "Messages that wait for the broker.")
MQTT_IN_FLIGHT = MQTT.gauge(
    "evse_daemon_mqtt_unacknowledged_messages", "Messages sent that the broker has not acknowledged."
)
MQTT_DROPPED = MQTT.counter(
    "evse_daemon_mqtt_outbox_dropped_total", "Messages given up because too many waited."
)
MQTT_UNSENT = MQTT.counter(
    "evse_daemon_mqtt_qos0_dropped_total", "QoS 0 messages dropped for want of a connection that takes them."
)
CALLS_IN_FLIGHT = MQTT.gauge("evse_daemon_mqtt_calls_in_progress", "Calls from MQTT that are being handled.")
CALLS_TAKEN = MQTT.counter("evse_daemon_mqtt_calls_total", "Calls from MQTT that modules were given.")
CALLS_REFUSED = MQTT.counter(
    "evse_daemon_mqtt_calls_refused_total",
    "Calls from MQTT that were not: retained, unanswerable, or the error that answered them.",
    "reason",
)

DAEMON = Group("The daemon")
INFO = DAEMON.gauge("evse_daemon_info", "1; version and station (everest prefix).", "version", "station")
MODULE_FAILED = DAEMON.gauge("evse_daemon_module_failed", "1 where a module has failed for good.", "module")
MODULE_EXCEPTIONS = DAEMON.counter(
    "evse_daemon_module_exceptions_total", "Exceptions that left a module.", "module"
)
INBOX_DEPTH = DAEMON.gauge(
    "evse_daemon_inbox_messages", "Messages that wait for a module at this moment.", "module"
)
INBOX_REFUSED = DAEMON.counter(
    "evse_daemon_inbox_refused_total", "Messages that found a module's inbox full.", "module"
)
CALLS_FAILED = DAEMON.counter(
    "evse_daemon_calls_failed_total", "Commands that failed, by module called and error.", "module", "error"
)
LOOP_LAG = DAEMON.histogram(
    "evse_daemon_loop_lag_seconds", "How late the event loop was for a timer, four times a second."
)
LOOP_LAG_MAX = DAEMON.gauge(
    "evse_daemon_loop_lag_max_seconds", "The largest such lag of the last one to two minutes."
)
JOURNAL_QUEUE = DAEMON.gauge("evse_daemon_journal_waiting_records", "Records that wait for the disk.")
JOURNAL_COMMITS = DAEMON.counter("evse_daemon_journal_commits_total", "Records on the disk.")
JOURNAL_FAILURES = DAEMON.counter("evse_daemon_journal_failures_total", "Records that could not be stored.")
JOURNAL_SECONDS = DAEMON.counter("evse_daemon_journal_commit_seconds_total", "Time that commits took in all.")
JOURNAL_LONGEST = DAEMON.gauge(
    "evse_daemon_journal_commit_max_seconds", "The longest commit since the start."
)
WATCHDOG = DAEMON.counter(
    "evse_daemon_watchdog_feeds_total", "How often systemd was told that all modules work."
)
PSS = DAEMON.gauge(
    "evse_daemon_memory_pss_bytes", "Memory, with what is shared counted in parts (proportional set size)."
)
COLLECTIONS = DAEMON.counter("evse_daemon_metrics_collections_total", "How often these values were gathered.")
COLLECT_SECONDS = DAEMON.gauge(
    "evse_daemon_metrics_collect_seconds", "How long that took last, other work of the daemon included."
)
FAILURES = DAEMON.counter(
    "evse_daemon_metrics_failures_total",
    "Parts of a scrape that are missing, because they failed; the log says why.",
    "part",
)
REFUSED = DAEMON.counter(
    "evse_daemon_metrics_refused_total", "Connections to this endpoint that got no values."
)

GROUPS = (EVSE, LIMITS, METER, SESSIONS, WIRE, MQTT, DAEMON)
