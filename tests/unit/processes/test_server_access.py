"""Where a command finds the server and the namespace."""

from pathlib import Path

import pytest

from avouch.cli import ports
from avouch.processes import server_access


@pytest.mark.parametrize(("variable", "namespace"), [("shop", "shop"), ("shop\r\n", "shop"), (" \n", ""), ("", "")])
def test_a_line_end_is_no_part_of_the_namespace(tmp_path: Path, variable: str, namespace: str):
    environment = {"AVOUCH_NAMESPACE": variable, "XDG_CONFIG_HOME": str(tmp_path)}
    assert server_access.build(ports.Options(), environment).namespace() == namespace
