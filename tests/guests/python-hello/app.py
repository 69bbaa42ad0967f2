"""A WASI 0.2 service (`wasi:http/incoming-handler`) in Python, as `componentize-py` makes them.

It knows nothing of Hostel: it proves that an unmodified component runs whatever its language. The routes are those of
every `*-hello` guest; `tests/guests/README.md` lists them. `build.sh` turns this file into a component.
"""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from poll_loop import PollLoop, Sink, Stream, register, send
from wit_world import exports
from wit_world.imports import monotonic_clock
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    IncomingResponse,
    Method_Get,
    Method_Post,
    OutgoingRequest,
    OutgoingResponse,
    ResponseOutparam,
    Scheme_Http,
    Scheme_Https,
)

# The header that tells one call's data from another's.
TAG = "x-tag"


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        loop = PollLoop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(route(request, response_out))


async def route(request: IncomingRequest, out: ResponseOutparam) -> None:
    url = urlsplit(request.path_with_query() or "/")
    match (request.method(), url.path.split("/")[1:]):
        case (Method_Get(), ["hello", name]):
            await text(out, 200, f"hello {name}")
        case (Method_Post(), ["echo"]):
            await echo(request, out)
        case (Method_Get(), ["call"]):
            await call(request, parse_qs(url.query).get("url"), out)
        case (Method_Get(), ["headers"]):
            await answer_json(out, 200, headers_as_dict(request.headers()))
        case (Method_Get(), ["sleep", ms]) if ms.isdigit():
            await register(asyncio.get_event_loop(), monotonic_clock.subscribe_duration(int(ms) * 1_000_000))
            await text(out, 200, f"slept {ms}")
        case _:
            await text(out, 404, f"no route for {url.path}")


async def echo(request: IncomingRequest, out: ResponseOutparam) -> None:
    """Hands the request's body back as it comes; nothing is collected."""
    content_type = request.headers().get("content-type")
    sink = begin(out, 200, [("content-type", value) for value in content_type])
    stream = Stream(request.consume())
    while (chunk := await stream.next()) is not None:
        await sink.send(chunk)
    sink.close()


async def call(request: IncomingRequest, urls: list[str] | None, out: ResponseOutparam) -> None:
    """Fetches the URL in the query and reports what came back, beside the tag this call was sent with."""
    if not urls:
        await text(out, 400, "the query needs url=")
        return
    tags = request.headers().get(TAG)
    tag = tags[0].decode() if tags else None
    try:
        response = await send(outgoing(urls[0], tags))
        body = await collect(response)
        await answer_json(out, 200, {"tag": tag, "status": response.status(), "body": body})
    except Err as error:
        await answer_json(out, 502, {"tag": tag, "error": repr(error.value)})


def outgoing(url: str, tags: list[bytes]) -> OutgoingRequest:
    parts = urlsplit(url)
    request = OutgoingRequest(Fields.from_list([(TAG, tag) for tag in tags]))
    request.set_scheme(Scheme_Https() if parts.scheme == "https" else Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path + (f"?{parts.query}" if parts.query else ""))
    return request


async def collect(response: IncomingResponse) -> str:
    stream = Stream(response.consume())
    chunks = []
    while (chunk := await stream.next()) is not None:
        chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace")


def headers_as_dict(headers: Fields) -> dict[str, list[str]]:
    """A header may repeat, and the test wants to see that."""
    found: dict[str, list[str]] = {}
    for name, value in headers.entries():
        found.setdefault(name, []).append(value.decode(errors="replace"))
    return found


async def text(out: ResponseOutparam, status: int, body: str) -> None:
    await answer(out, status, b"text/plain", body)


async def answer_json(out: ResponseOutparam, status: int, value: object) -> None:
    await answer(out, status, b"application/json", json.dumps(value))


async def answer(out: ResponseOutparam, status: int, content_type: bytes, body: str) -> None:
    sink = begin(out, status, [("content-type", content_type)])
    await sink.send(body.encode())
    sink.close()


def begin(out: ResponseOutparam, status: int, headers: list[tuple[str, bytes]]) -> Sink:
    """Sends status and headers off, and opens the body behind them."""
    response = OutgoingResponse(Fields.from_list(headers))
    response.set_status_code(status)
    sink = Sink(response.body())
    ResponseOutparam.set(out, Ok(response))
    return sink
