"""Classes of soil and land cover by their names."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from pydantic import ValidationInfo

from noahpy_core.class_values import class_number, soil_class_names, vegetation_class_names


@dataclasses.dataclass(frozen=True)
class ClassReader:
    """Validator that puts numbers in the place of names, in nested lists too; numbers stay as they are.

    Parameters
    ----------
    kind : Of which tables; the section has one in its key `table`, which is read before.
    """

    kind: Literal["soil", "vegetation"]

    def __call__(self, value: Any, info: ValidationInfo) -> Any:
        """The value with numbers.

        Raises
        ------
        ValueError : a name that is none of the table; it proposes the nearest.
        """
        if isinstance(value, (list, tuple)):
            return [self(entry, info) for entry in value]
        if not isinstance(value, str) or not any(letter.isalpha() for letter in value) or "table" not in info.data:
            return value
        table = info.data["table"]
        names = soil_class_names(table) if self.kind == "soil" else vegetation_class_names(table)
        return class_number(value, names)
