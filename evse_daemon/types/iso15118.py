"""The types of ISO 15118 that others refer to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType

EnergyTransferMode = Literal[
    "AC_single_phase_core",
    "AC_two_phase",
    "AC_three_phase_core",
    "DC_core",
    "DC_extended",
    "DC_combo_core",
    "DC_unique",
    "DC",
    "AC_BPT",
    "AC_BPT_DER",
    "AC_DER_IEC",
    "AC_DER_SAE",
    "DC_BPT",
    "DC_ACDP",
    "DC_ACDP_BPT",
    "WPT",
    "MCS",
    "MCS_BPT",
]

HashAlgorithm = Literal["SHA256", "SHA384", "SHA512"]


class CertificateHashDataInfo(EverestType):
    hashAlgorithm: HashAlgorithm
    issuerNameHash: Annotated[str, Field(max_length=128)]
    issuerKeyHash: Annotated[str, Field(max_length=128)]
    serialNumber: Annotated[str, Field(max_length=40)]
    responderURL: Annotated[str, Field(max_length=512)]
