"""Who signs, by the settings: files, environment, callback; failures, commands and metrics."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from brushwork.cli.application import app
from brushwork.doctor.finding import Level
from brushwork.doctor.signing_check import check_credentials
from brushwork.embedded import development_certificate
from brushwork_core.provenance.credentials import source
from brushwork_core.provenance.credentials.development import development_identity, write_development_identity
from brushwork_core.provenance.credentials.metrics import SigningMetrics
from brushwork_core.provenance.credentials.output_signer import OutputSigner
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.credentials.report import CredentialsState
from brushwork_core.provenance.credentials.source import SignerSource
from brushwork_core.settings.credentials_settings import CredentialsSettings
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import SignedBy
from brushwork_schemas.errors import CertificateUnusable
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from tests.servers import wait_until
from tests.signing_identities import encoded, generated, operator, stranger

SIGNED = ("image/png", generated(), {})
KMS = "tests.unit.test_signing_settings:kms"


def kms(content: bytes) -> bytes:
    """A callback whose service is away."""
    raise ConnectionError("no answer from the KMS")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """Settings with the files of the operator."""
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(operator().chain_pem)
    key.write_text(operator().key_pem or "")
    return {"credentials_chain": chain, "credentials_key": key}


def _signer(given: dict[str, Any]) -> OutputSigner:
    return OutputSigner(CredentialsSettings(**given))


def test_nothing_is_signed_without_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    signer = _signer({})
    assert not signer.is_configured
    data = encoded("PNG")
    assert signer.signed(data, *SIGNED).data == data
    assert signer.signed(data, *SIGNED).signed_by is None
    assert signer.signed(data, *SIGNED).warnings == ()


def test_files_sign(files: dict[str, Any]) -> None:
    signed = _signer(files).signed(encoded("PNG"), *SIGNED)
    assert signed.signed_by is SignedBy.OPERATOR
    assert read_credentials(signed.data, None, operator().chain_pem).state is CredentialsState.VALID


def test_the_environment_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRUSHWORK_CREDENTIALS_CHAIN_PEM", operator().chain_pem.replace("\n", "\\n"))
    monkeypatch.setenv("BRUSHWORK_CREDENTIALS_KEY_PEM", (operator().key_pem or "").replace("\n", "\\n"))
    settings = Settings.load()
    assert "PRIVATE" not in repr(settings)
    signed = OutputSigner(settings.credentials).signed(encoded("PNG"), *SIGNED)
    assert read_credentials(signed.data, None, operator().chain_pem).state is CredentialsState.VALID


def test_the_development_certificate_of_the_data_folder_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    _, key = write_development_identity(tmp_path)
    assert key.stat().st_mode & 0o077 == 0
    assert _signer({}).signed(encoded("PNG"), *SIGNED).signed_by is SignedBy.DEVELOPMENT


BROKEN = {
    "missing key": lambda files: files["credentials_key"].unlink(),
    "missing chain": lambda files: files["credentials_chain"].unlink(),
    "empty key": lambda files: files["credentials_key"].write_text(""),
    "key of another": lambda files: files["credentials_key"].write_text(stranger().key_pem or ""),
    "no PEM": lambda files: files["credentials_chain"].write_text("no PEM"),
    "expired": lambda files: files["credentials_chain"].write_text(
        development_identity(-1, key_pem=operator().key_pem).chain_pem
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_certificate_that_breaks_in_mid_run(
    files: dict[str, Any], broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SETTLES_S", 0.05)
    strict, lenient = _signer(files), _signer({**files, "credentials_failure": "unsigned"})
    data = encoded("PNG")
    assert (
        strict.signed(data, *SIGNED).signed_by is lenient.signed(data, *SIGNED).signed_by is SignedBy.OPERATOR
    )
    broken(files)
    with pytest.raises(CertificateUnusable) as caught:
        strict.signed(data, *SIGNED)
    assert caught.value.code == "certificate_unusable"
    unsigned = lenient.signed(data, *SIGNED)
    assert unsigned.data == data
    assert unsigned.signed_by is None
    [warning] = unsigned.warnings
    assert (warning.code, warning.parameters) == ("not_signed", {"reason": "certificate_unusable"})
    assert strict.counts() == {"signed": 1, "unsigned": 0, "failed": 1}
    assert lenient.counts() == {"signed": 1, "unsigned": 1, "failed": 0}


def test_a_renewed_certificate_needs_no_restart(files: dict[str, Any]) -> None:
    signer = _signer(files)
    signer.signed(encoded("PNG"), *SIGNED)
    files["credentials_chain"].write_text(stranger().chain_pem)
    files["credentials_key"].write_text(stranger().key_pem or "")
    signed = signer.signed(encoded("PNG"), *SIGNED)
    assert read_credentials(signed.data, None, stranger().chain_pem).state is CredentialsState.VALID


@pytest.mark.parametrize("order", [("chain", "key"), ("key", "chain")])
def test_pictures_that_are_made_in_the_middle_of_a_renewal_are_signed(
    files: dict[str, Any], order: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a renewal by a person with two commands; the test does not wait for it.
    monkeypatch.setattr(source, "SETTLES_S", 30.0)
    new = {"chain": stranger().chain_pem, "key": stranger().key_pem or ""}
    signer = _signer(files)
    signer.signed(encoded("PNG"), *SIGNED)
    first, second = order
    files[f"credentials_{first}"].write_text(new[first])
    with ThreadPoolExecutor(2) as pool:
        signing = [pool.submit(signer.signed, encoded("PNG"), *SIGNED) for _ in range(2)]
        wait_until(lambda: signer._source._unusable is not None, what="a look at half of the renewal")
        files[f"credentials_{second}"].write_text(new[second])
        signed = [each.result() for each in signing]
    for each in signed:
        assert read_credentials(each.data, None, stranger().chain_pem).state is CredentialsState.VALID


def test_only_the_first_caller_waits_for_files_that_stay_unusable(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SETTLES_S", 0.05)
    signer = _signer(files)
    signer.signed(encoded("PNG"), *SIGNED)
    files["credentials_key"].write_text(stranger().key_pem or "")
    with pytest.raises(CertificateUnusable):
        signer.signed(encoded("PNG"), *SIGNED)
    monkeypatch.setattr(source, "SETTLES_S", 600.0)
    with pytest.raises(CertificateUnusable):
        signer.signed(encoded("PNG"), *SIGNED)


def test_a_kms_that_is_away(files: dict[str, Any]) -> None:
    given = {"credentials_chain": files["credentials_chain"], "credentials_callback": KMS}
    [warning] = _signer({**given, "credentials_failure": "unsigned"}).signed(encoded("PNG"), *SIGNED).warnings
    assert warning.parameters == {"reason": "signing_failed"}


@pytest.mark.parametrize("path", ["no.such.module:sign", f"{__name__}:no_such_name", f"{__name__}:KMS"])
def test_a_callback_that_is_none(files: dict[str, Any], path: str) -> None:
    given = CredentialsSettings(credentials_chain=files["credentials_chain"], credentials_callback=path)
    with pytest.raises(CertificateUnusable, match="credentials_callback"):
        SignerSource(given).signer()


def test_metrics_say_when_the_certificate_expires(files: dict[str, Any]) -> None:
    registry = CollectorRegistry()
    signer = _signer(files)
    registry.register(SigningMetrics(signer))
    name = "brushwork_certificate_expiry_timestamp_seconds"
    assert registry.get_sample_value(name) == operator().facts().not_after.timestamp()
    signer.signed(encoded("PNG"), *SIGNED)
    assert registry.get_sample_value("brushwork_signed_pictures_total", {"outcome": "signed"}) == 1
    files["credentials_key"].unlink()
    assert registry.get_sample_value(name) == 0


def test_commands_make_and_check_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    run = CliRunner()
    missing = run.invoke(app, ["provenance", "check"])
    assert missing.exit_code != 0
    made = run.invoke(app, ["provenance", "init"])
    assert made.exit_code == 0, made.output
    assert "no reader trusts it" in made.output
    first = (tmp_path / "credentials" / "chain.pem").read_text()
    assert run.invoke(app, ["provenance", "init"]).exit_code == 0
    assert (tmp_path / "credentials" / "chain.pem").read_text() == first
    assert run.invoke(app, ["provenance", "init", "--renew"]).exit_code == 0
    assert (tmp_path / "credentials" / "chain.pem").read_text() != first
    assert '"is_development": true' in run.invoke(app, ["provenance", "check", "--json"]).output


def test_init_leaves_a_certificate_of_the_operator_alone(
    files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    monkeypatch.setenv("BRUSHWORK_CREDENTIALS_CHAIN", str(files["credentials_chain"]))
    assert CliRunner().invoke(app, ["provenance", "init"]).exit_code != 0
    assert not (tmp_path / "credentials").exists()


def test_doctor_reports_the_certificate(
    files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    [none] = check_credentials(Settings.load())
    assert none.level is Level.WARN
    [good] = check_credentials(Settings.load(**files))
    assert good.level is Level.OK
    files["credentials_chain"].write_text(development_identity(5, "Example", operator().key_pem).chain_pem)
    [soon] = check_credentials(Settings.load(**files))
    assert "expires in 5 days" in soon.message
    write_development_identity(tmp_path)
    [development] = check_credentials(Settings.load())
    assert "Nobody trusts" in (development.hint or "")


def test_up_makes_a_certificate_and_renews_it(
    files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    chain = tmp_path / "credentials" / "chain.pem"
    assert "nobody trusts" in development_certificate.prepare(tmp_path, Settings.load())
    first = chain.read_text()
    development_certificate.prepare(tmp_path, Settings.load())
    assert chain.read_text() == first
    write_development_identity(tmp_path, days=2)
    development_certificate.prepare(tmp_path, Settings.load())
    assert Settings.load().credentials_chain == chain
    [found] = check_credentials(Settings.load())
    assert "expires in" not in found.message
    told = development_certificate.prepare(tmp_path / "other", Settings.load(**files))
    assert "the certificate of the settings" in told
    assert not (tmp_path / "other").exists()


def test_a_stack_that_runs_on_renews_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    chain, _ = write_development_identity(tmp_path, days=20)
    settings, stopped = Settings.load(), Event()
    signer, first = OutputSigner(settings.credentials), chain.read_text()
    signer.signed(encoded("PNG"), *SIGNED)
    thread = development_certificate.keep_renewed(tmp_path, settings, print, stopped, look_s=0.01)
    assert thread is not None
    wait_until(lambda: chain.read_text() != first, what="the renewal")
    stopped.set()
    thread.join()
    assert signer.signed(encoded("PNG"), *SIGNED).signed_by is SignedBy.DEVELOPMENT
    assert signer.expires_at() > time.time() + 300 * 86400


def test_without_development_certificates_nothing_is_made_or_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path))
    monkeypatch.setenv("BRUSHWORK_CREDENTIALS_DEVELOPMENT", "false")
    settings = Settings.load()
    assert "DEVELOPMENT is off" in development_certificate.prepare(tmp_path, settings)
    assert development_certificate.keep_renewed(tmp_path, settings, print, Event()) is None
    assert CliRunner().invoke(app, ["provenance", "init"]).exit_code != 0
    assert not (tmp_path / "credentials").exists()
    # One from before is not used either.
    write_development_identity(tmp_path)
    settings = Settings.load()
    assert (settings.credentials_chain, settings.credentials_key) == (None, None)
    assert OutputSigner(settings.credentials).signed(encoded("PNG"), *SIGNED).signed_by is None
    [found] = check_credentials(settings)
    assert "switched off" in (found.hint or "")


def test_a_certificate_that_is_set_signs_without_development_certificates(files: dict[str, Any]) -> None:
    signed = _signer({**files, "credentials_development": False}).signed(encoded("PNG"), *SIGNED)
    assert signed.signed_by is SignedBy.OPERATOR
