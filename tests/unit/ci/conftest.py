from collections.abc import Iterator

import pytest

from tests.unit.ci import forges
from tests.unit.ci.forges import Forge


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with forges.running(tmp_path_factory.mktemp("tls")) as found:
        yield found
