"""What `--value` may be, beyond files and texts."""

import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial

import pytest

from tests.crafting.jobs import Job

INIT = ("init", "--workflow", "build-small")


class Pages(http.server.SimpleHTTPRequestHandler):
    """The job's own folder, over HTTP on this machine."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the library
        pass


@pytest.fixture
def pages(job: Job) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(job.place)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_is_downloaded_and_recognised(job: Job, pages: str):
    job.ok(*INIT)
    found = job.ok("add", "--name", "tests", "--value", f"{pages}/junit.xml?x=1", "-o", "json").json()[0]
    assert (found["type"], found["value"]) == ("JUNIT_XML", "junit.xml")


def test_a_page_that_is_not_there_is_no_material(job: Job, pages: str):
    job.ok(*INIT)
    assert job.att("add", "--name", "tests", "--value", f"{pages}/none.xml").code == 1


@pytest.mark.parametrize("value", ["none.xml", "tmp", "", "a\nb"])
def test_a_report_that_is_no_file_is_refused_by_its_name(job: Job, value: str):
    job.ok(*INIT)
    found = job.att("add", "--name", "tests", "--value", value)
    assert found.code == 1
    assert "field: --value" in found.err


def test_a_text_that_looks_like_a_file_which_is_not_there_is_noted(job: Job):
    job.ok(*INIT)
    said = "there is no file reports/scan.josn: scan is recorded as a text"
    assert said in job.ok("add", "--name", "scan", "--value", "reports/scan.josn").err
    for plain in ("hello world", "1.2.0", "v1.2.0-rc1", "nginx:1.27", "https", "done."):
        assert job.ok("add", "--name", "scan", "--value", plain).err.count("no file") == 0, plain


def test_a_text_of_the_contract_that_names_a_file_is_noted_since_the_file_is_not_read(job: Job):
    job.ok(*INIT)
    found = job.ok("add", "--name", "note", "--kind", "STRING", "--value", "junit.xml")
    assert "note is a STRING: the text junit.xml is recorded, not the content of that file" in found.err


def test_an_empty_report_is_refused(job: Job):
    (job.place / "empty.xml").touch()
    job.ok(*INIT)
    found = job.att("add", "--name", "tests", "--value", "empty.xml")
    assert found.code == 1
    assert "empty" in found.err


def test_a_text_with_a_secret_in_it_is_refused_and_stays_out_of_the_state(job: Job):
    secret = "ghp_" + "a1B2" * 9
    job.ok(*INIT)
    found = job.att("add", "--name", "note", "--value", secret)
    assert found.code == 1
    assert secret not in found.err
    assert not any(secret.encode() in each.read_bytes() for each in job.states())


def test_an_archive_with_a_way_out_of_it_adds_nothing_at_all(job: Job):
    with zipfile.ZipFile(job.place / "bad.zip", "w") as archive:
        archive.write(job.place / "sbom.cdx.json", "good.json")
        archive.write(job.place / "sbom.cdx.json", "../evil.json")
    job.ok(*INIT)
    found = job.att("add", "--name", "skynet-sbom", "--value", "bad.zip", "--annotation", "asset=x")
    assert found.code == 1
    assert [each["state"] for each in job.ok("status", "-o", "json").json()["materials"]].count("added") == 0


def test_an_archive_of_more_files_than_allowed_adds_nothing(job: Job):
    with zipfile.ZipFile(job.place / "many.zip", "w") as archive:
        for number in range(4):
            archive.write(job.place / "sbom.cdx.json", f"{number}.json")
    job.ok(*INIT)
    wanted = ("add", "--name", "skynet-sbom", "--value", "many.zip", "--annotation", "asset=x")
    assert job.att(*wanted, "--max-extract-entries", "3").code == 1
    assert job.att(*wanted, "--max-extract-size", "100").code == 1
    assert job.att(*wanted).code == 0


def test_a_file_that_is_only_an_artifact_says_what_it_nearly_was_and_why(job: Job):
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": "2026-01-01T00:00:00"},
    }
    (job.place / "bom.json").write_text(json.dumps(bom))
    job.ok(*INIT)
    found = job.ok("add", "--name", "extra", "--value", "bom.json")
    assert "extra is recorded as an ARTIFACT, almost SBOM_CYCLONEDX_JSON: " in found.err
    assert "metadata/timestamp" in found.err


def test_a_text_that_no_type_was_near_is_an_artifact_without_a_note(job: Job):
    (job.place / "notes.txt").write_text("built by Ada\n")
    job.ok(*INIT)
    assert "almost" not in job.ok("add", "--name", "extra", "--value", "notes.txt").err


def test_what_was_forgiven_in_a_report_is_noted(job: Job):
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "vulnerabilities": [{"id": "A", "cwes": None}]}
    (job.place / "bom.json").write_text(json.dumps(bom))
    job.ok(*INIT)
    for more in ((), ("--kind", "SBOM_CYCLONEDX_JSON")):
        assert (
            "extra: it breaks CycloneDX: cwes is null"
            in job.ok("add", "--name", "extra", "--value", "bom.json", *more).err
        )


def test_a_bad_file_of_an_archive_is_named_by_its_path_in_it(job: Job):
    with zipfile.ZipFile(job.place / "logs.zip", "w") as archive:
        archive.writestr("a/one.sarif", b"INFO none")
        archive.writestr("__MACOSX/a/._one.sarif", b"\0\5\x16\7")
    job.ok(*INIT)
    found = job.att("add", "--name", "extra", "--kind", "SARIF", "--value", "logs.zip")
    assert found.code == 1
    assert "logs.zip:a/one.sarif: unexpected material type, not SARIF: its first line is no JSON" in found.err
