"""An authority that is trusted by nobody else, and a certificate of it."""

import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

AUTHORITY = "authority.pem"


def make(folder: pathlib.Path, hosts: tuple[str, ...]) -> pathlib.Path:
    """Writes the authority's certificate and, as its result, that of the hosts.

    Returns:
        File of the certificate for the hosts and its key.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = _name("Authority of the fake store"), _name(hosts[0])
    is_authority = x509.BasicConstraints(ca=True, path_length=None)
    authority = _certificate(issuer, issuer, authority_key).add_extension(
        is_authority, critical=True
    )
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    certificate = _certificate(subject, issuer, key).add_extension(
        names, critical=False
    )
    pem = serialization.Encoding.PEM
    signed = authority.sign(authority_key, hashes.SHA256())
    (folder / AUTHORITY).write_bytes(signed.public_bytes(pem))
    own = certificate.sign(authority_key, hashes.SHA256()).public_bytes(pem)
    own += key.private_bytes(
        pem,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "hosts.pem"
    path.write_bytes(own)
    return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
