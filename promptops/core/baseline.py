"""The accepted outcomes that a version is compared with: its own first, then those of the version that is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from promptops.core.measurement import judged_alike
from promptops.formats import Accepted, AcceptedCase, Measurement
from promptops.models import Case


class Layer(Struct, frozen=True):
    """What was accepted for one version (`v2`)."""

    version: str
    accepted: Accepted


class Found(NamedTuple):
    """The accepted outcome of a case, whose it is, and whether it was accepted for this case and these rules."""

    entry: AcceptedCase | None = None
    layer: Layer | None = None
    same: bool = False


class Baseline(Struct, frozen=True):
    """Layers of accepted outcomes, the one that counts first.

    A candidate has the served version's outcomes below its own, so that accepting two broken cases of it leaves every
    other case compared with what is served.
    """

    layers: tuple[Layer, ...] = ()

    def of(self, case: Case, measurement: Measurement) -> Found:
        """Return the first outcome accepted for this case as it stands and these rules, else the first of its id."""
        found = Found()
        for layer in self.layers:
            if (entry := layer.accepted.cases.get(case.id)) is None:
                continue
            if entry.case == case.digest and judged_alike(layer.accepted.measurement, measurement):
                return Found(entry, layer, same=True)
            found = found if found.entry else Found(entry, layer)
        return found

    @property
    def entries(self) -> Mapping[str, AcceptedCase]:
        """Every accepted case, by id."""
        return {case: entry for layer in reversed(self.layers) for case, entry in layer.accepted.cases.items()}

    def words(self, case: Case, measurement: Measurement) -> str:
        """What a report says that a case is compared with."""
        if not self.layers:
            return "none: nothing was accepted yet"
        entry, layer, same = self.of(case, measurement)
        layer = layer or self.layers[0]
        name = f"{layer.version}, accepted {layer.accepted.accepted_at}"
        if entry is None:
            return f"{name}: without this case"
        samples = f" ({entry.passes} of {entry.of} samples)" if entry.of > 1 else ""
        return f"{name}: {entry.outcome}{samples}" + ("" if same else ", of another case, checks or contract")
