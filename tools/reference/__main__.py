"""`python -m tools.reference` writes the files, `--check` only says which are out of date."""

from __future__ import annotations

import sys

from tools.reference.files import out_of_date, write


def main(arguments: list[str]) -> int:
    """The exit status: 1 when a check finds something."""
    stale = out_of_date()
    if "--check" not in arguments:
        write()
    for name in stale:
        sys.stdout.write(f"{name} {'is out of date' if '--check' in arguments else 'written'}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
