"""TLS of both sides in front of a plain server, as a terminating proxy is."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


def server_side(folder: Path, name: str = "device") -> ssl.SSLContext:
    """Context of a server that wants a certificate of its clients; files of `certificates`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@asynccontextmanager
async def tls_gateway(port: int, folder: Path) -> AsyncIterator[int]:
    """Port of the gateway to the plain `port`."""

    async def serve(reader, writer):
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source, sink):
            while data := await source.read(4096):
                sink.write(data)
            sink.close()

        ways = (pump(reader, back_writer), pump(back_reader, writer))
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side(folder))
    async with server:
        yield server.sockets[0].getsockname()[1]
