"""Name → lazy dotted path, one mechanism for drivers, formats, kinds, blob stores.

A member is imported when it is first used, so an optional library costs nothing until then.
Installed packages overlay a registry through the entry point group of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from windlass.errors import MissingExtra, Unsupported

T = TypeVar("T")


class Registry(Generic[T]):
    """Members of one family by name.

    `family` names them in messages ("format"); `paths` maps a name to "module:attribute";
    `extras` maps a name to the optional extra whose libraries it needs.
    """

    def __init__(
        self, family: str, paths: Mapping[str, str], extras: Mapping[str, str] | None = None
    ) -> None:
        self.family = family
        self._paths = dict(paths)
        self._extras = dict(extras or {})
        self._loaded: dict[str, T] = {}
        self._overlaid = False

    def __contains__(self, name: object) -> bool:
        return name in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def path(self, name: str) -> str:
        """Where a member lies, as "module:attribute"; Unsupported lists the known names."""
        known = self._known()
        if name not in known:
            names = ", ".join(sorted(known))
            raise Unsupported(f"unknown {self.family} {name!r}; known: {names}")
        return known[name]

    def get(self, name: str) -> T:
        """The member; Unsupported lists the known names, MissingExtra says what to install."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> T:
        module, _, attribute = self.path(name).partition(":")
        try:
            return cast(T, getattr(import_module(module), attribute))
        except ModuleNotFoundError as error:
            extra = self._extras.get(name)
            if extra is None:
                raise
            raise MissingExtra(
                f"{self.family} {name!r} needs the extra {extra!r}: "
                f"pip install 'windlass[{extra}]' (missing module {error.name})"
            ) from error

    def _known(self) -> dict[str, str]:
        if not self._overlaid:
            # Here and not above: page-reading processes import registries without using them, and
            # this module alone would make them half as large again.
            from importlib.metadata import entry_points

            for point in entry_points(group=f"windlass.{self.family}"):
                self._paths[point.name] = point.value
            self._overlaid = True
        return self._paths
