import pytest

from avouch.runners import reports

LINK = "https://avouch.example/runs/1"


def test_a_report_that_fits_is_shown_whole_with_its_link():
    assert reports.tekton_result("all passed", LINK) == (
        f"Chainloop Attestation Report\n\nView details: {LINK}\n\nall passed"
    )
    assert reports.tekton_result("all passed") == "Chainloop Attestation Report\n\nall passed"


@pytest.mark.parametrize("character", ["x", "é", "│", "😀"])
@pytest.mark.parametrize("link", ["", LINK, "https://" + "x" * 5000])
def test_a_long_report_is_cut_between_characters_and_keeps_its_link(character, link):
    said = reports.tekton_result(character * 5000, link)
    size = len(said.encode())
    assert reports.RESULT_LIMIT - 4 < size <= reports.RESULT_LIMIT
    assert said.endswith(f"{character}\n... (truncated)")
    assert (LINK in said) is (link == LINK)


def test_a_report_that_just_fits_is_not_cut():
    room = reports.RESULT_LIMIT - len("Chainloop Attestation Report\n\n")
    assert reports.tekton_result("x" * room).endswith("xxx")
    assert reports.tekton_result("x" * (room + 1)).endswith("(truncated)")
