"""Two known vulnerabilities of an old library as OpenVEX or CSAF: `vex.py TOOL FORMAT OUT`, TOOL lib4vex or vexipy."""

import sys
from pathlib import Path

JUSTIFICATIONS = {"cyclonedx": "code_not_reachable"}
FOUND = [("urllib3", "1.26.4", "CVE-2021-33503"), ("urllib3", "1.26.4", "CVE-2023-43804")]


def lib4vex(form: str, found: list[tuple[str, str, str]], out: str) -> None:
    from lib4sbom.data.vulnerability import Vulnerability
    from lib4vex.generator import VEXGenerator

    statements = []
    for package, version, name in found:
        vulnerability = Vulnerability(validation=form)
        vulnerability.initialise()
        vulnerability.set_name(package)
        vulnerability.set_release(version)
        vulnerability.set_id(name)
        vulnerability.set_description(f"{name} in {package}")
        vulnerability.set_status("known_not_affected" if form == "csaf" else "not_affected")
        vulnerability.set_comment("the code is never called")
        vulnerability.set_value("justification", JUSTIFICATIONS.get(form, "vulnerable_code_not_in_execute_path"))
        statements.append(vulnerability.get_vulnerability())
    generator = VEXGenerator(vex_type=form, author="avouch")
    generator.set_product(name="avouch", release="0.1.0")
    generator.generate(
        project_name="avouch", vex_data=statements, metadata={"author": "avouch", "title": "avouch"}, filename=out
    )


def vexipy(_: str, found: list[tuple[str, str, str]], out: str) -> None:
    from vexipy import Document, Statement, Vulnerability

    statements = [
        Statement(
            vulnerability=Vulnerability(name=name),
            products=[{"@id": f"pkg:pypi/{package}@{version}"}],
            status="not_affected",
            justification="vulnerable_code_not_in_execute_path",
        )
        for package, version, name in found
    ]
    document = Document(id="https://example.com/vex/1", version=1, author="avouch", statements=statements)
    Path(out).write_text(document.to_json(by_alias=True, exclude_none=True))


if __name__ == "__main__":
    tool, form, out = sys.argv[1:]
    {"lib4vex": lib4vex, "vexipy": vexipy}[tool](form, FOUND, out)
