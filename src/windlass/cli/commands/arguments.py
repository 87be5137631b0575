"""Arguments and options that commands of several groups take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="State directory (WINDLASS_DATA).")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write there instead of stdout.")
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many.")]
Cursor = Annotated[str | None, typer.Option(help="Where the last list ended.")]
