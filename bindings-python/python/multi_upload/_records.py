"""Records: what the service answers, with attributes instead of keys.

A record keeps the answer as it came. An attribute is converted when it is first read, after the
annotation of its class: ``datetime`` fields become aware datetimes, nested objects become records
and errors become exceptions. Fields and words that only a newer service knows pass through.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any, ClassVar

__all__ = ["Record"]

_CLASSES: dict[str, Callable[[Any], Any]] = {}


class Record:
    """Base of all results. Records compare by content, pickle, and print their fields."""

    _kinds: ClassVar[dict[str, str]]
    _secrets: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __init_subclass__(cls) -> None:
        # Annotations are text here, so reading them imports nothing.
        cls._kinds = dict(cls.__annotations__)
        _CLASSES[cls.__name__] = cls

    if not TYPE_CHECKING:  # a misspelt attribute is an error for type checkers

        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(name)
            if name not in self._kinds and name not in self._data:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")
            value = _convert(self._data.get(name), self._kinds.get(name, ""))
            self.__dict__[name] = value
            return value

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain dictionaries, lists and text, as it came."""
        from copy import deepcopy

        return deepcopy(self._data)

    @property
    def __multi_upload_id__(self) -> object:
        """Records stand for their id wherever a call takes one: ``accounts=[account]``."""
        return self._data["id"]

    def __repr__(self) -> str:
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name in self._kinds
            if name not in self._secrets and self._data.get(name) not in (None, [], {})
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._data == other._data

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._data.get("id")))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._kinds, *self._data]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._data,)


def _convert(value: Any, kind: str) -> Any:
    if value is None:
        return None
    kind = kind.removesuffix(" | None")
    if kind.startswith("list["):
        return [_convert(item, kind[5:-1]) for item in value]
    if kind.startswith("dict[str, "):
        return {key: _convert(item, kind[10:-1]) for key, item in value.items()}
    if kind == "datetime":
        return _time(value)
    if kind == "MultiUploadError":
        from ._errors import _from_native

        return _from_native(value)
    return _CLASSES[kind](value) if kind in _CLASSES else value


def _time(text: str) -> datetime | str:
    from datetime import datetime

    try:
        # Python 3.10 does not read the letter.
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
