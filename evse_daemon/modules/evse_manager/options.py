"""The options of EvseManager, by EVerest's names (manifests/EvseManager.yaml)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.framework.module import ModuleOptions, unsupported
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.base import Integer


class EvseManagerOptions(ModuleOptions):
    """Options of one EVSE; what is unsupported concerns DC, ISO 15118 or a later version."""

    connector_id: Integer
    connector_type: str = "Unknown"
    evse_id: str = "DE*PNX*E1234567*1"
    evse_id_din: str = unsupported("49A80737A45678")
    payment_enable_eim: bool = unsupported(True)
    payment_enable_contract: bool = unsupported(True)
    ac_nominal_voltage: float = 230.0
    ac_max_reactive_power: float = unsupported(0.0, ge=0)
    ev_receipt_required: bool = unsupported(False)
    session_logging: bool = False
    session_logging_path: str = "/tmp"  # noqa: S108 - EVerest's default
    session_logging_xml: bool = unsupported(True)
    has_ventilation: bool = True
    charge_mode: Literal["AC", "DC"] = unsupported("AC")
    supported_iso_ac_bpt: bool = unsupported(False)
    ac_hlc_enabled: bool = unsupported(False)
    ac_hlc_use_5percent: bool = unsupported(True)
    ac_enforce_hlc: bool = unsupported(False)
    ac_with_soc: bool = unsupported(False)
    internal_over_voltage_duration_ms: Integer = unsupported(400, ge=0)
    dbg_hlc_auth_after_tstep: bool = unsupported(False)
    dc_isolation_voltage_V: Integer = unsupported(0)
    cable_check_wait_number_of_imd_measurements: Integer = unsupported(1)
    cable_check_enable_imd_self_test: bool = unsupported(True)
    cable_check_enable_imd_self_test_relays_open: bool = unsupported(False)
    cable_check_relays_open_voltage_V: Integer = unsupported(48)
    cable_check_relays_closed_timeout_s: Integer = unsupported(5)
    cable_check_wait_below_60V_before_finish: bool = unsupported(True)
    hack_skoda_enyaq: bool = unsupported(False)
    hack_present_current_offset: Integer = unsupported(0)
    hack_pause_imd_during_precharge: bool = unsupported(False)
    hack_allow_bpt_with_iso2: bool = unsupported(False)
    hack_simplified_mode_limit_10A: bool = False
    autocharge_use_slac_instead_of_hlc: bool = unsupported(False)
    enable_autocharge: bool = unsupported(False)
    logfile_suffix: str = "session_uuid"
    soft_over_current_tolerance_percent: float = 10.0
    soft_over_current_measurement_noise_A: float = 0.5
    hack_fix_hlc_integer_current_requests: bool = unsupported(False)
    disable_authentication: bool = False
    sae_j2847_2_bpt_enabled: bool = unsupported(False)
    sae_j2847_2_bpt_mode: Literal["V2H", "V2G"] = unsupported("V2G")
    request_zero_power_in_idle: bool = False
    external_ready_to_start_charging: bool = False
    uk_smartcharging_random_delay_enable: bool = False
    uk_smartcharging_random_delay_max_duration: Annotated[Integer, Field(ge=0)] = 600
    uk_smartcharging_random_delay_at_any_change: bool = True
    initial_meter_value_timeout_ms: Integer = 5000
    switch_3ph1ph_delay_s: Integer = 10
    switch_3ph1ph_cp_state: Literal["X1", "F"] = "X1"
    soft_over_current_timeout_ms: Integer = Field(7000, ge=6000)
    lock_connector_in_state_b: bool = True
    unlock_when_deauthorized: bool = False
    state_F_after_fault_ms: Integer = 300
    fail_on_powermeter_errors: bool = True
    raise_mrec9: bool = False
    sleep_before_enabling_pwm_hlc_mode_ms: Integer = unsupported(500)
    central_contract_validation_allowed: bool = unsupported(False)
    contract_certificate_installation_enabled: bool = unsupported(True)
    inoperative_error_use_vendor_id: bool = False
    voltage_plausibility_max_spread_threshold_V: float = unsupported(50.0)
    voltage_plausibility_fault_duration_ms: Integer = unsupported(30000)
    session_id_type: Literal["UUID", "UUID_BASE64", "SHORT_BASE64"] = "UUID"
    zero_power_ignore_pause: bool = unsupported(True)
    zero_power_allow_ev_to_ignore_pause: bool = unsupported(False)
    bpt_channel: Literal["None", "Unified", "Separated"] = unsupported("None")
    bpt_generator_mode: Literal["None", "GridFollowing", "GridForming"] = unsupported("None")
    bpt_grid_code_island_method: Literal["None", "Active", "Passive"] = unsupported("None")
    hlc_charge_loop_without_energy_timeout_s: Integer = unsupported(5)
    dc_ramp_ampere_per_second: Integer = unsupported(25)

    def kernel_config(
        self, module_id: str, *, has_connector_lock: bool, has_billing_meter: bool
    ) -> KernelConfig:
        """What of the options, and of what is connected, the kernel's decisions depend on."""
        return KernelConfig(
            module_id=module_id,
            evse_id=self.evse_id,
            has_ventilation=self.has_ventilation,
            has_connector_lock=has_connector_lock,
            has_billing_meter=has_billing_meter,
            lock_connector_in_state_b=self.lock_connector_in_state_b,
            unlock_when_deauthorized=self.unlock_when_deauthorized,
            fail_on_powermeter_errors=self.fail_on_powermeter_errors,
            raise_mrec9=self.raise_mrec9,
            simplified_mode_limit_10a=self.hack_simplified_mode_limit_10A,
            inoperative_error_use_vendor_id=self.inoperative_error_use_vendor_id,
            switch_phases_delay_s=max(0, self.switch_3ph1ph_delay_s),
            switch_phases_by=self.switch_3ph1ph_cp_state,
            overcurrent_tolerance=self.soft_over_current_tolerance_percent / 100,
            overcurrent_noise_a=self.soft_over_current_measurement_noise_A,
            overcurrent_s=self.soft_over_current_timeout_ms / 1000,
            connector_id=self.connector_id,
            session_logging_path=self.session_logging_path if self.session_logging else None,
            logfile_suffix=self.logfile_suffix,
            state_f_after_fault_s=self.state_F_after_fault_ms / 1000,
            watch_meter=has_billing_meter and self.fail_on_powermeter_errors,
        )
