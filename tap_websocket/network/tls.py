"""The setting `tls`: whom to trust, and what to show."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path

__all__ = ["TlsSettings", "make_context"]

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"
_MISMATCH = "KEY_VALUES_MISMATCH"


@dataclasses.dataclass(frozen=True, slots=True)
class TlsSettings:
    """The trust and the identity of a TLS client; files are PEM.

    Attributes:
        ca_file: Authorities to trust, in place of the system's, as with curl's
            `--cacert` and the `verify` of requests. To trust both, put both into it.
        cert_file: The client's certificate, with what leads to its authority.
        key_file: Its key; None where `cert_file` holds it too.
        key_password: The password of an encrypted key.
        server_name: The name that the feed's certificate is checked for and that is
            sent as SNI, in place of the URL's host.
        verify: Check the server's certificate and name.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = dataclasses.field(default=None, repr=False)
    server_name: str | None = None
    verify: bool = True


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """Make a context of the settings: a new one with each call, TLS 1.2 at least.

    Raises:
        ValueError: When a setting cannot be used: one line that begins with its name.
    """
    if settings.ca_file is not None:
        _read("ca_file", settings.ca_file, _CERTIFICATE, "certificate")
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as error:
        msg = f"ca_file: {settings.ca_file} holds a certificate that cannot be read"
        raise ValueError(msg) from error
    except OSError as error:
        msg = f"ca_file: the file {settings.ca_file} cannot be read ({error.strerror})"
        raise ValueError(msg) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file is not None:
        _show(context, settings.cert_file, settings)
    elif settings.key_file is not None:
        msg = "key_file: a key is of no use without its certificate; add cert_file"
        raise ValueError(msg)
    if settings.server_name is not None:
        _check_name(context, settings.server_name)
    return context


def _show(context: ssl.SSLContext, cert_file: str, settings: TlsSettings) -> None:
    """Have a context show the client's certificate.

    Raises:
        ValueError: When it cannot be used.
    """
    _read("cert_file", cert_file, _CERTIFICATE, "certificate")
    if settings.key_file is None:
        hint = "key; add key_file"
        _read("cert_file", cert_file, _KEY, hint)
    else:
        _read("key_file", settings.key_file, _KEY, "key")
    asked = False

    def password() -> str:
        # Without a callback OpenSSL would ask at the terminal.
        nonlocal asked
        asked = True
        return settings.key_password or ""

    try:
        context.load_cert_chain(cert_file, settings.key_file, password)
    except (OSError, ValueError) as error:
        raise ValueError(_reason(error, settings, asked=asked)) from error


def _reason(error: Exception, settings: TlsSettings, *, asked: bool) -> str:
    """Return why a certificate and its key cannot be used."""
    mismatch = isinstance(error, ssl.SSLError) and error.reason == _MISMATCH
    setting = "cert_file" if settings.key_file is None else "key_file"
    if mismatch:
        return f"{setting}: the key does not belong to the certificate in cert_file"
    if asked and settings.key_password is None:
        return f"key_password: the key in {setting} is encrypted; give its password"
    if asked:
        return f"key_password: it does not open the key in {setting}"
    return f"cert_file: the certificate or its key ({setting}) cannot be read as PEM"


def _read(setting: str, name: str, marker: bytes, what: str) -> None:
    """Check that a file can be read and seems to hold what it should.

    Raises:
        ValueError: When it does not.
    """
    try:
        content = Path(name).read_bytes()
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "no file has such a name"
        msg = f"{setting}: the file {name} cannot be read ({words})"
        raise ValueError(msg) from error
    if marker not in content:
        msg = f"{setting}: the file {name} holds no PEM {what}"
        raise ValueError(msg)


def _check_name(context: ssl.SSLContext, name: str) -> None:
    try:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    except (ValueError, TypeError, ssl.SSLError) as error:
        msg = "server_name: it is not a host name"
        raise ValueError(msg) from error
