"""Certificates and their store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import Integer, LongString, OpenType

EncodingFormat = Literal["DER", "PEM"]

CaCertificateType = Literal["V2G", "MO", "CSMS", "MF"]

LeafCertificateType = Literal["CSMS", "V2G", "MF", "MO"]

CertificateType = Literal[
    "V2GRootCertificate",
    "MORootCertificate",
    "CSMSRootCertificate",
    "V2GCertificateChain",
    "MFRootCertificate",
]

HashAlgorithm = Literal["SHA256", "SHA384", "SHA512"]

InstallCertificateResult = Literal[
    "InvalidSignature",
    "InvalidCertificateChain",
    "InvalidFormat",
    "InvalidCommonName",
    "NoRootCertificateInstalled",
    "Expired",
    "CertificateStoreMaxLengthExceeded",
    "WriteError",
    "Accepted",
]

CertificateValidationResult = Literal[
    "Valid",
    "Expired",
    "InvalidSignature",
    "IssuerNotFound",
    "InvalidLeafSignature",
    "InvalidChain",
    "Unknown",
]

DeleteCertificateResult = Literal["Accepted", "Failed", "NotFound"]

GetInstalledCertificatesStatus = Literal["Accepted", "NotFound"]

GetCertificateSignRequestStatus = Literal[
    "Accepted", "InvalidRequestedType", "KeyGenError", "GenerationError"
]

GetCertificateInfoStatus = Literal["Accepted", "Rejected", "NotFound", "NotFoundValid", "PrivateKeyNotFound"]


class CertificateHashData(OpenType):
    hash_algorithm: HashAlgorithm
    issuer_name_hash: Annotated[str, Field(max_length=128)]
    issuer_key_hash: Annotated[str, Field(max_length=128)]
    serial_number: Annotated[str, Field(max_length=40)]


class CertificateHashDataChain(OpenType):
    certificate_type: CertificateType
    certificate_hash_data: CertificateHashData
    child_certificate_hash_data: list[CertificateHashData] | None = None


class GetInstalledCertificatesResult(OpenType):
    status: GetInstalledCertificatesStatus
    certificate_hash_data_chain: list[CertificateHashDataChain]


class OCSPRequestData(OpenType):
    certificate_hash_data: CertificateHashData | None = None
    responder_url: Annotated[str, Field(max_length=512)] | None = None


class OCSPRequestDataList(OpenType):
    ocsp_request_data_list: list[OCSPRequestData]


class CertificateOCSP(OpenType):
    hash: CertificateHashData
    ocsp_path: str | None = None


class GetCertificateSignRequestResult(OpenType):
    status: GetCertificateSignRequestStatus
    csr: LongString | None = None


class CertificateInfo(OpenType):
    key: str
    certificate_count: Integer
    certificate_root: LongString | None = None
    certificate: str | None = None
    certificate_single: str | None = None
    password: str | None = None
    ocsp: list[CertificateOCSP] | None = None


class GetCertificateInfoResult(OpenType):
    status: GetCertificateInfoStatus
    info: CertificateInfo | None = None


class GetCertificateFullInfoResult(OpenType):
    status: GetCertificateInfoStatus
    info: list[CertificateInfo]


CertificateStoreUpdateOperation = Literal["Installed", "Deleted"]


class CertificateStoreUpdate(OpenType):
    operation: CertificateStoreUpdateOperation
    leaf_certificate_type: LeafCertificateType | None = None
    ca_certificate_type: CaCertificateType | None = None
