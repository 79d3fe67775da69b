"""EVerest's interface ``evse_security``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.base import Integer, LongString
from evse_daemon.types.evse_security import (
    CaCertificateType,
    CertificateHashData,
    CertificateStoreUpdate,
    CertificateType,
    CertificateValidationResult,
    DeleteCertificateResult,
    EncodingFormat,
    GetCertificateFullInfoResult,
    GetCertificateInfoResult,
    GetCertificateSignRequestResult,
    GetInstalledCertificatesResult,
    InstallCertificateResult,
    LeafCertificateType,
    OCSPRequestDataList,
)


class EvseSecurity(Interface, name="evse_security"):
    """The certificates of the charger."""

    certificate_store_update: Var[CertificateStoreUpdate] = var(Kind.EVENT)

    @command(timeout_s=10)
    def install_ca_certificate(
        self, certificate: LongString, certificate_type: CaCertificateType
    ) -> InstallCertificateResult:
        """Adds a root certificate (PEM)."""

    @command(timeout_s=10)
    def delete_certificate(self, certificate_hash_data: CertificateHashData) -> DeleteCertificateResult:
        """Removes the certificate with this hash."""

    @command(timeout_s=10)
    def update_leaf_certificate(
        self, certificate_chain: LongString, certificate_type: LeafCertificateType
    ) -> InstallCertificateResult:
        """Installs a signed certificate of the charger with its chain (PEM)."""

    @command(timeout_s=10)
    def verify_certificate(
        self, certificate_chain: LongString, certificate_types: list[LeafCertificateType]
    ) -> CertificateValidationResult:
        """Checks a chain against the roots of the given types."""

    @command(timeout_s=10)
    def get_installed_certificates(
        self, certificate_types: list[CertificateType]
    ) -> GetInstalledCertificatesResult:
        """The certificates of these types; all where none is named."""

    @command(timeout_s=10)
    def get_v2g_ocsp_request_data(self) -> OCSPRequestDataList:
        """What to ask OCSP responders about the V2G chain."""

    @command(timeout_s=10)
    def get_mo_ocsp_request_data(self, certificate_chain: LongString) -> OCSPRequestDataList:
        """What to ask OCSP responders about a contract's chain."""

    @command(timeout_s=10)
    def update_ocsp_cache(
        self, certificate_hash_data: CertificateHashData, ocsp_response: LongString
    ) -> None:
        """Stores an OCSP response for a certificate."""

    @command(timeout_s=10)
    def is_ca_certificate_installed(self, certificate_type: CaCertificateType) -> bool:
        """Whether there is a root of this type."""

    @command(timeout_s=10)
    def generate_certificate_signing_request(
        self,
        certificate_type: LeafCertificateType,
        country: str,
        organization: str,
        common: str,
        use_tpm: bool,
    ) -> GetCertificateSignRequestResult:
        """Makes a key and a signing request for it."""

    @command(timeout_s=10)
    def get_leaf_certificate_info(
        self, certificate_type: LeafCertificateType, encoding: EncodingFormat, include_ocsp: bool
    ) -> GetCertificateInfoResult:
        """The paths of the newest valid certificate of this type and of its key."""

    @command(timeout_s=10)
    def get_all_valid_certificates_info(
        self, certificate_type: LeafCertificateType, encoding: EncodingFormat, include_ocsp: bool
    ) -> GetCertificateFullInfoResult:
        """As get_leaf_certificate_info, for every valid chain."""

    @command(timeout_s=10)
    def get_verify_file(self, certificate_type: CaCertificateType) -> str:
        """The path of the file with the roots of this type."""

    @command(timeout_s=10)
    def get_verify_location(self, certificate_type: CaCertificateType) -> str:
        """The path of the directory, or else file, with the roots of this type."""

    @command(timeout_s=10)
    def get_leaf_expiry_days_count(self, certificate_type: LeafCertificateType) -> Integer:
        """Days until the certificate expires."""

    @command(timeout_s=10)
    def verify_file_signature(
        self, file_path: str, signing_certificate: LongString, signature: LongString
    ) -> bool:
        """Whether the signature of a file is that of this certificate."""
