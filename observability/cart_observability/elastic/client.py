"""What is asked of Elasticsearch (and of Kibana, which answers alike): JSON over HTTP, and documents in bulk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final, TypeVar

import aiohttp
import msgspec


class ElasticError(Exception):
    """A request was refused, or answered by what is no such server: `status` is HTTP's, the text says why."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Cause(msgspec.Struct, frozen=True):
    """Why a document was refused."""

    type: str = ""
    reason: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What became of one document of a bulk request."""

    status: int
    error: Cause | None = None


class _Bulk(msgspec.Struct, frozen=True):
    items: list[dict[str, Outcome]]


_decode_bulk = msgspec.json.Decoder(_Bulk).decode
_REASON_BYTES: Final = 200

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Client:
    """A server at a URL, reached through a session that the caller opens, with who it is in its headers, and closes.

    Every method raises ElasticError when the server answers with an error, and aiohttp.ClientError or TimeoutError when
    it does not answer.
    """

    http: aiohttp.ClientSession
    url: str

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **parameters: str
    ) -> Any:
        """The decoded answer to a request; None when it has no body.

        Args:
            method: GET, PUT, POST or DELETE.
            path: Below the server's URL, without a leading slash.
            body: What is sent, as JSON.
            headers: Further ones, such as Kibana's `kbn-xsrf`.
            parameters: Of the URL's query.
        """
        sent = None if body is None else msgspec.json.encode(body)
        types = {} if body is None else {"Content-Type": "application/json"}
        text = await self._send(method, path, sent, {**types, **(headers or {})}, parameters)
        return _understood(msgspec.json.decode, text) if text.strip() else None

    async def bulk(self, lines: bytes) -> list[Outcome]:
        """What became of each document of a bulk request, in order; one that was refused is no error of the request.

        Args:
            lines: Actions and sources in turns, each ended by a newline.
        """
        parameters = {"filter_path": "items.*.status,items.*.error.type,items.*.error.reason"}
        # As a file, because aiohttp warns of larger bodies that are bytes.
        text = await self._send("POST", "_bulk", BytesIO(lines), {"Content-Type": "application/x-ndjson"}, parameters)
        return [outcome for item in _understood(_decode_bulk, text).items for outcome in item.values()]

    async def upload(self, path: str, name: str, content: bytes, headers: Mapping[str, str], **parameters: str) -> Any:
        """The decoded answer to a file that is posted as the field `file` of a form, as Kibana's import takes it."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name, content_type="application/ndjson")
        return _understood(msgspec.json.decode, await self._send("POST", path, form, headers, parameters))

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | BytesIO | aiohttp.FormData | None,
        headers: Mapping[str, str],
        parameters: Mapping[str, str],
    ) -> bytes:
        url = f"{self.url.rstrip('/')}/{path}"
        async with self.http.request(method, url, data=body, params=parameters, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise ElasticError(f"{method} {path}: {answer.status} {_reason(text)}", answer.status)
            return text


def _understood(decode: Callable[[bytes], Answer], text: bytes) -> Answer:
    try:
        return decode(text)
    except msgspec.DecodeError as error:
        answer = text[:_REASON_BYTES].decode(errors="replace")
        raise ElasticError(f"not an answer of Elasticsearch or Kibana ({error}): {answer}", HTTPStatus.OK) from error


def _reason(text: bytes) -> str:
    """What an error's body says: Elasticsearch's is an object with a reason, or a text; Kibana's is a message."""
    try:
        body = msgspec.json.decode(text)
    except msgspec.DecodeError:
        body = None
    match body:
        case {"error": {"reason": str(reason)}} | {"message": str(reason)} | {"error": str(reason)}:
            return reason
        case _:
            return text[:_REASON_BYTES].decode(errors="replace")
