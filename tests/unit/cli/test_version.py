"""`avouch version`: its own, and which OPA there is."""

import json

import avouch
from avouch.cli import ports
from tests.unit.cli import line


def version(*arguments: str, opa: ports.Opa | None = None) -> line.Answer:
    return line.run("version", *arguments, adapters=line.Adapters(opa=opa))


def test_its_own_version_stands_alone_in_the_first_line_and_opa_in_the_second() -> None:
    answer = version(opa=ports.Opa("1.22", "1.22.3", "/usr/bin/opa"))
    assert answer.out.splitlines() == [avouch.__version__, "OPA 1.22.3 (/usr/bin/opa); the server's is 1.22"]


def test_a_machine_without_opa_is_told_why() -> None:
    answer = version(opa=ports.Opa("1.22", problem="opa is not there"))
    assert (answer.code, answer.out.splitlines()[1]) == (0, "OPA none: opa is not there; the server's is 1.22")


def test_with_client_nothing_else_is_asked() -> None:
    assert version("--client").out == f"{avouch.__version__}\n"
    assert "opa" not in json.loads(version("--client", "-o", "json").out)


def test_programs_get_all_of_it() -> None:
    answer = version("-o", "json", opa=ports.Opa("1.22", "1.22.3", "/usr/bin/opa"))
    assert json.loads(answer.out)["opa"] == {"wanted": "1.22", "version": "1.22.3", "path": "/usr/bin/opa"}
