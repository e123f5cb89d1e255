"""Values of a PDF's objects as pypdf reads them, whatever stands there."""

from typing import Any, Final

from pypdf.errors import DependencyError, PdfReadError
from pypdf.generic import DictionaryObject

STUMBLES: Final = (PdfReadError, DependencyError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What pypdf raises over broken objects. Its limits are none of these."""


def value(owner: Any, key: str) -> Any:
    """A value of a dictionary, followed to where it is; None where there is none."""
    return owner[key] if isinstance(owner, DictionaryObject) and key in owner else None


def dictionary(owner: Any, *keys: str) -> DictionaryObject:
    """The dictionary below these keys, or an empty one."""
    for key in keys:
        owner = value(owner, key)
    return owner if isinstance(owner, DictionaryObject) else DictionaryObject()


def entry(owner: Any, key: str) -> Any:
    """What stands at a key: the reference to an object rather than the object, if it is one."""
    return owner.raw_get(key) if isinstance(owner, DictionaryObject) and key in owner else None
