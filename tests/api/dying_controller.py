"""The controller, killed around the moment in which it writes a token's Secret, to see what that leaves behind."""

import os
import sys
from typing import Any

from avouch.kube import client
from avouch.processes import controller

apply_own = client.KubeClient.apply_own


async def _dies(self: client.KubeClient, *arguments: Any) -> Any:
    if os.environ["AVOUCH_TEST_DIE"] == "after":
        await apply_own(self, *arguments)
    os._exit(9)


client.KubeClient.apply_own = _dies  # type: ignore[method-assign]
sys.exit(controller.main())
