"""What the controller's environment says."""

import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from avouch import errors


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once at the start."""

    database_url: str
    namespace: str
    identity: str
    kubeconfig: str = ""
    rescue_image: str = ""
    aggregated_api: bool = True
    certificates: bool = True
    server_service: str = "avouch-server"
    runs_service: str = "avouch-runs"
    port: int = 9090

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """From environment variables. Raises errors.Invalid for one that is missing or wrong."""
        if not env.get("AVOUCH_DATABASE_URL"):
            raise errors.Invalid("not set", field="AVOUCH_DATABASE_URL", fix="set it to postgresql://...")
        try:
            port = int(env.get("AVOUCH_HEALTH_PORT", "9090"))
        except ValueError as exc:
            raise errors.Invalid("not a number", field="AVOUCH_HEALTH_PORT") from exc
        return cls(
            database_url=env["AVOUCH_DATABASE_URL"],
            namespace=env.get("AVOUCH_NAMESPACE", "avouch"),
            identity=f"{env.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}",
            kubeconfig=env.get("AVOUCH_KUBECONFIG", ""),
            rescue_image=env.get("AVOUCH_RESCUE_IMAGE", ""),
            aggregated_api=env.get("AVOUCH_AGGREGATED_API", "true") == "true",
            certificates=env.get("AVOUCH_CERTIFICATES", "true") == "true",
            server_service=env.get("AVOUCH_SERVER_SERVICE", "avouch-server"),
            runs_service=env.get("AVOUCH_RUNS_SERVICE", "avouch-runs"),
            port=port,
        )
