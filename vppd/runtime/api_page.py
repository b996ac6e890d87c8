"""Writes docs/api.md: `python -m vppd.runtime.api_page docs/api.md`, from the OpenAPI document."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vppd.core.types import Params
from vppd.ops.api.app import Desk, make_app
from vppd.ops.api.daemon_link import DaemonLink
from vppd.ops.api.guard import Offers, Rate, Sessions
from vppd.ops.api.hello import Hello, Settings, Unpack
from vppd.ops.api.hub import Hub
from vppd.runtime.console_pack import unpack_hello, unpack_inputs

MARK = "<!-- made from the OpenAPI document from here on; see `make docs` -->\n"


def document(params: Params) -> dict[str, Any]:
    """OpenAPI document of the API; `params` of any plant."""

    async def make() -> dict[str, Any]:
        settings = Settings("127.0.0.1", 0, None, None, None, "viewer", (), 1.0)
        hello = Hello("", "0", params, ("",) * len(params.ids), settings, None)
        hub = Hub()
        rate = Rate(lambda: 0.0, 1.0, 1.0)
        link = DaemonLink(hub, Unpack(unpack_hello, unpack_inputs))
        desk = Desk(
            hello, link, hub, {}, Sessions(lambda: 0.0, 1.0), Offers(lambda: 0.0), rate,
            lambda **_: None, lambda *_: {},
        )  # fmt: skip
        return make_app(desk).openapi()

    return asyncio.run(make())


def routes(openapi: dict[str, Any]) -> Iterator[str]:
    """Table of the routes, and of the bodies that come in."""
    yield "## Routes\n"
    yield "| method and path | does | takes | may answer |\n|---|---|---|---|"
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            asked = [each["name"] for each in operation.get("parameters", [])]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            asked += [body["schema"]["$ref"].rpartition("/")[2]] if body else []
            codes = ", ".join(sorted(operation["responses"]))
            takes = ", ".join(f"`{name}`" for name in asked)
            yield f"| `{method.upper()} {path}` | {operation['summary']} | {takes} | {codes} |"
    yield "\n## Bodies\n"
    for name, schema in openapi["components"]["schemas"].items():
        if "properties" not in schema or name in ("HTTPValidationError", "ValidationError"):
            continue
        yield f"**{name}**: {schema.get('description', '').strip()}\n"
        for key, rule in schema["properties"].items():
            must = "" if key in schema.get("required", ()) else ", may be left out"
            told = f": {rule['description']}" if "description" in rule else ""
            yield f"- `{key}` ({_kind(rule)}{must}){told}"
        yield ""


def _kind(rule: dict[str, Any]) -> str:
    if "anyOf" in rule:
        return " or ".join(_kind(each) for each in rule["anyOf"] if each.get("type") != "null")
    if "enum" in rule:
        return "one of " + ", ".join(str(each) for each in rule["enum"])
    return str(rule.get("type", "anything"))


def main(page: Path) -> None:
    """Write the page's second part anew."""
    from vppd.config.load import parse_config  # noqa: PLC0415 - the plant is an example
    from vppd.config.params import build_params  # noqa: PLC0415
    from vppd.runtime.registry import installed  # noqa: PLC0415

    example = Path(__file__).parents[2] / "configs" / "minimal.yaml"
    params = build_params(parse_config(example.read_bytes(), str(example), installed()))
    page.write_text(rendered(page.read_text(encoding="utf-8"), params), encoding="utf-8")


def rendered(text: str, params: Params) -> str:
    """Page with its second part made anew."""
    head = text.partition(MARK)[0]
    return head + MARK + "\n" + "\n".join(routes(document(params))).rstrip() + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
