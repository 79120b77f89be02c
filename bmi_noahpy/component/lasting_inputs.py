"""The BMI extension "inputs": how long a value counts that a framework sets, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bmi_noahpy.component.variables import find_variable

if TYPE_CHECKING:
    from bmi_noahpy.component.framework_inputs import Lasting
    from bmi_noahpy.component.stepped_run import SteppedRun

LASTING = ("hold", "call")


class LastingInputs:
    """How long inputs count: "hold", until they are set again, or "call", in the next update() or update_until() only.

    After a value for one call the one held before counts again, or that of the file. Without either, the input is
    missing until it is set.

    Parameters
    ----------
    run : Gives the run behind the component; called with the name of the function that needs it.
    """

    def __init__(self, run: Callable[[str], SteppedRun]) -> None:
        self._run = run

    def get_input_lasting(self, name: str) -> Lasting:
        """ "hold" or "call", for values of an input that are set from now on."""
        from bmi_noahpy.component.value_store import field_of

        return self._run("get_input_lasting").values.inputs.lasting(field_of(find_variable(name)))

    def set_input_lasting(self, name: str, lasting: Lasting) -> None:
        """Choose how long values of an input count that are set from now on.

        Raises
        ------
        ValueError : The name is no input, or it is neither "hold" nor "call".
        """
        from bmi_noahpy.component.value_store import field_of

        field = field_of(find_variable(name))
        if lasting not in LASTING:
            raise ValueError(f"set_input_lasting: {lasting!r} is unknown. Use {' or '.join(map(repr, LASTING))}.")
        self._run("set_input_lasting").values.inputs.lasting_of[field] = lasting

    def release_input(self, name: str) -> None:
        """Take back what was set of an input, in all columns: the value of the file counts again."""
        self._run("release_input").values.release(find_variable(name))
