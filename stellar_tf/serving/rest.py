"""The REST side: V1 as TensorFlow Serving speaks it, and Open Inference V2."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.rest.server import metrics_handler
from kserve.protocol.rest.v1_endpoints import V1Endpoints
from kserve.protocol.rest.v2_endpoints import V2Endpoints
from starlette.exceptions import HTTPException

from stellar_tf.serving.errors import describe
from stellar_tf.serving.infer_protocol import dump_json, read_infer, write_infer
from stellar_tf.serving.predict_protocol import parse_json
from stellar_tf.serving.repository import VersionedDataPlane, address

_LOG = logging.getLogger(__name__)
_V1, _V2 = "/v1/models/{name}", "/v2/models/{name}"
_VERSION = "/versions/{version}"


def build_app(data_plane: VersionedDataPlane) -> FastAPI:
    """
    Build the application.

    Parameters
    ----------
    data_plane : VersionedDataPlane
        What answers.

    Returns
    -------
    app : FastAPI
        Without KServe's routes that load and unload models: a client only asks.
    """
    app = FastAPI(openapi_url=None)
    v1, v2 = V1Endpoints(data_plane), V2Endpoints(data_plane)
    endpoints = _Endpoints(data_plane)
    routes: dict[str, Callable[..., Awaitable[Any]]] = {
        "/": data_plane.live,
        "/metrics": metrics_handler,
        "/v1/models": v1.models,
        _V1: endpoints.status,
        _V1 + _VERSION: endpoints.status,
        _V1 + "/metadata": endpoints.metadata,
        _V1 + _VERSION + "/metadata": endpoints.metadata,
        "/v2": v2.metadata,
        "/v2/health/live": v2.live,
        "/v2/health/ready": v2.ready,
        "/v2/models": v2.models,
        _V2: endpoints.metadata,
        _V2 + _VERSION: endpoints.metadata,
        _V2 + "/ready": endpoints.ready,
        _V2 + _VERSION + "/ready": endpoints.ready,
    }
    for path, endpoint in routes.items():
        app.add_api_route(path, endpoint, methods=["GET"], response_model=None)
    for prefix in ("", _VERSION):
        for path, endpoint in (
            (_V1 + prefix + ":predict", endpoints.predict),
            (_V2 + prefix + "/infer", endpoints.infer),
        ):
            app.add_api_route(path, endpoint, methods=["POST"], response_model=None)
    _add_error_handlers(app)
    return app


class _Endpoints:
    """KServe's own know no versions, and parse bodies by way of Python's lists."""

    def __init__(self, data_plane: VersionedDataPlane) -> None:
        self._data_plane = data_plane

    async def ready(self, name: str, version: str = "") -> dict[str, Any]:
        model = self._data_plane.find(address(name, version))
        return {"name": model.name, "ready": await model.healthy()}

    async def status(self, name: str, version: str = "") -> dict[str, Any]:
        # KServe's answer and TensorFlow Serving's in one.
        model = self._data_plane.find(address(name, version))
        state = {
            "version": str(model.version),
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        ready = await self.ready(name, version)
        return {**ready, "model_version_status": [state]}

    async def metadata(self, name: str, version: str = "") -> dict[str, Any]:
        return await self._data_plane.model_metadata(address(name, version))

    async def predict(self, request: Request, name: str, version: str = "") -> Response:
        model = self._data_plane.find(address(name, version))
        payload = await asyncio.to_thread(parse_json, await request.body())
        answer, _ = await model(payload, headers=dict(request.headers))
        return _respond(await asyncio.to_thread(dump_json, answer))

    async def infer(self, request: Request, name: str, version: str = "") -> Response:
        model = self._data_plane.find(address(name, version))
        n_json = request.headers.get(INFERENCE_CONTENT_LENGTH_HEADER)
        body = await request.body()
        asked = await asyncio.to_thread(read_infer, body, n_json, model.name)
        answer, _ = await model(asked, headers=dict(request.headers))
        return _respond(*await asyncio.to_thread(write_infer, answer, asked))


def _respond(body: bytes, n_json: int | None = None) -> Response:
    if n_json is None:
        return Response(body, media_type="application/json")
    headers = {INFERENCE_CONTENT_LENGTH_HEADER: str(n_json)}
    return Response(body, media_type="application/octet-stream", headers=headers)


def _add_error_handlers(app: FastAPI) -> None:
    # KServe's own log a traceback for each bad request.
    def tell(status: int, reason: str) -> JSONResponse:
        return JSONResponse({"error": reason}, status)

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        return tell(HTTPStatus.BAD_REQUEST, describe(error))

    async def miss(_: Request, error: Exception) -> JSONResponse:
        return tell(HTTPStatus.NOT_FOUND, describe(error))

    async def fail(request: Request, error: Exception) -> JSONResponse:
        _LOG.error("%s failed", request.url.path, exc_info=error)
        return tell(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log")

    async def pass_on(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return tell(error.status_code, str(error.detail))

    app.add_exception_handler(InvalidInput, refuse)
    app.add_exception_handler(ModelNotFound, miss)
    app.add_exception_handler(HTTPException, pass_on)
    app.add_exception_handler(Exception, fail)
