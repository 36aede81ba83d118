"""Files for amqps that cannot be used stop the worker with one line; a certificate and its key may be one file."""

import asyncio
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from devservices.app_process import app_environment
from tests.clients import PATIENCE_SECONDS
from tests.integration.worker.certificate_files import CertificateFiles
from tests.programs.forked import start
from worker.settings import WorkerSettings

SECRET = "s3cr3t-w0rd"  # noqa: S105  # not one


async def errors_of_worker(folder: Path, **settings: str) -> str:
    """What `python -m worker` says, which must not get far."""
    url = f"amqps://guest:{SECRET}@127.0.0.1:1/"
    child = await start("worker", cwd=folder, env=app_environment({"AMQP_URL": url} | settings))
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, errors = await child.communicate()
    assert child.returncode == 2, errors
    return errors.decode()


def bad_files(ours: CertificateFiles, theirs: CertificateFiles, folder: Path) -> dict[str, dict[str, str]]:
    """Settings that trying again would not make right, by the words that are said of them."""
    junk, locked = folder / "junk.pem", folder / "locked.key"
    junk.write_text("-----BEGIN CERTIFICATE-----\n")
    key = load_pem_private_key(ours.key.read_bytes(), None)
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")))
    certificate = {"AMQP_CERT_FILE": str(ours.certificate)}
    return {
        "AMQP_CA_FILE: /nowhere/ca.pem cannot be read: no such file": {"AMQP_CA_FILE": "/nowhere/ca.pem"},
        "AMQP_CA_FILE: " + str(junk) + " holds no certificate": {"AMQP_CA_FILE": str(junk)},
        "AMQP_CERT_FILE: /nowhere/c.pem cannot be read": {"AMQP_CERT_FILE": "/nowhere/c.pem"},
        "AMQP_KEY_FILE: the key in": certificate | {"AMQP_KEY_FILE": str(theirs.key)},
        "does not belong to the certificate": certificate | {"AMQP_KEY_FILE": str(theirs.key)},
        "are not a certificate and its key": certificate,
        "has a passphrase": certificate | {"AMQP_KEY_FILE": str(locked)},
        "AMQP_KEY_FILE: is of no use without": {"AMQP_KEY_FILE": str(ours.key)},
        "AMQP_CA_FILE: is of no use without TLS": {"AMQP_URL": f"amqp://u:{SECRET}@h/", "AMQP_CA_FILE": str(ours.ca)},
        "AMQP_URL: /nowhere/q.pem cannot be read": {"AMQP_URL": f"amqps://u:{SECRET}@h/?cafile=/nowhere/q.pem"},
    }


async def test_bad_files_stop_the_worker(ours: CertificateFiles, theirs: CertificateFiles, tmp_path: Path) -> None:
    """A file that is missing, is something else or does not fit ends the worker with one line and status 2."""
    for words, settings in bad_files(ours, theirs, tmp_path).items():
        (line,) = (await errors_of_worker(tmp_path, **settings)).splitlines()
        assert words in line
        assert SECRET not in line


def test_certificate_and_key_in_one_file(ours: CertificateFiles, tmp_path: Path) -> None:
    """The key may be in the file of the certificate; the address's own certificate wins over the settings'."""
    together = tmp_path / "both.pem"
    together.write_bytes(ours.certificate.read_bytes() + ours.key.read_bytes())
    url = f"amqps://a/?certfile={ours.certificate}&keyfile={ours.key},amqps://b/"
    settings = WorkerSettings(amqp_url=SecretStr(url), amqp_cert_file=together)
    assert [dict(each.query).get("certfile") for each in settings.brokers] == [str(ours.certificate), str(together)]
    assert [dict(each.query).get("keyfile") for each in settings.brokers] == [str(ours.key), None]
