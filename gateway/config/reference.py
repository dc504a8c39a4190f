"""The reference page of the configuration, written from what the settings say of themselves."""

from collections.abc import Iterator
from inspect import cleandoc

from msgspec import NODEFAULT

from gateway.config.keys import Key, keys, toml
from gateway.config.reading import OPTIONS
from gateway.config.settings import Config
from gateway.config.table import Table

HEAD = """\
# Configuration

<!-- Written by `python -m gateway.config`; change gateway/config/ instead and run `make docs`. -->

The gateway reads one TOML file: `ocpp-gateway run gateway.toml`. Only `backend.url` must be given; a short
file to start from is [deploy/gateway.example.toml](../deploy/gateway.example.toml).

- `ocpp-gateway check gateway.toml` reports every mistake at once, each with its key and the cure, and what is
  unsafe about a file that is right. An unknown key is a mistake.
- **Command line**: {options}. What they say holds instead of what the file says.
- **Units** end the name: `_s` seconds, `_bytes`, `_per_s` times per second, `_days`.
- **Secrets** are written as `{{ env = "NAME" }}` (an environment variable) or `{{ file = "path" }}`. A plain
  text works too and is reported as unsafe. No log shows a secret.
- **Paths** are relative to the directory that the gateway was started in.
- **Reload**: SIGHUP reads the file again. A file with a mistake changes nothing. Settings marked *yes* below
  take effect for connections that begin from then on; a change to any other is reported as waiting for a
  restart.
"""


def page() -> str:
    """docs/configuration.md."""
    shown: set[type[Table]] = set()
    options = ", ".join(f"`--{name.replace('_', '-')}` (`{path}`)" for name, path in OPTIONS.items())
    return HEAD.format(options=options) + "".join(
        _section(key, key.name, shown) for key in keys(Config).values()
    )


def _section(key: Key, path: str, shown: set[type[Table]]) -> str:
    """The section of one table and of those in it; keys that were `shown` before are not shown again."""
    assert key.table is not None
    title = f"[[{path}]]" if key.many else f"[{path}]"
    if key.table in shown:
        return f"\n## {title}\n\n{key.description}\n"
    shown.add(key.table)
    inner = [
        _section(inner, f"{path}.{inner.name}", shown) for inner in keys(key.table).values() if inner.table
    ]
    rows = "\n".join(_rows(key.table, key.many and key.reload))
    return f"\n## {title}\n\n{cleandoc(key.table.__doc__ or '')}\n\n{rows}\n" + "".join(inner)


def _rows(table: type[Table], is_reloaded: bool) -> Iterator[str]:
    """A line per key; `is_reloaded`: a reload takes the table as a whole."""
    yield "| key | meaning | what fits | default | reload |"
    yield "|---|---|---|---|---|"
    for key in keys(table).values():
        default = "**must be given**" if key.default is NODEFAULT else _code(toml(key.default))
        reload = "yes" if key.reload or is_reloaded else "no"
        yield f"| `{key.name}` | {_cell(key.description)} | {_cell(key.kind)} | {default} | {reload} |"


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
