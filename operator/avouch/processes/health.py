"""Port 9090, plain HTTP, for kubelet and Prometheus: /healthz, /readyz, /metrics."""

from collections.abc import Awaitable, Callable

import prometheus_client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from avouch import errors

Check = Callable[[], Awaitable[None]]


def _always() -> bool:
    return True


def create(
    ready: Check, registry: prometheus_client.CollectorRegistry, alive: Callable[[], bool] = _always
) -> Starlette:
    """The app. `alive` checks this process only: a restart fixes no database. `ready` raises if it cannot serve."""

    async def healthz(request: Request) -> Response:
        """The process runs and is not stuck."""
        return PlainTextResponse("ok") if alive() else PlainTextResponse("stuck", status_code=503)

    async def readyz(request: Request) -> Response:
        """The process can serve."""
        try:
            await ready()
        except errors.AvouchError as exc:
            return PlainTextResponse(f"not ready: {type(exc).__name__}", status_code=503)
        return PlainTextResponse("ok")

    async def metrics(request: Request) -> Response:
        """Metrics in the format of Prometheus."""
        content = prometheus_client.generate_latest(registry)
        return Response(content, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])
