"""What each wire format and vendor takes, as data: names of params, what is refused, roles, stop reasons, media.

`spec.py` has the records, one file each the formats, `dialects.py` what a host does differently, `endpoints.py` the
vendors that are known by name. The code that writes and reads the bodies is in `providers/`.
"""

from promptops.core.wire.dialects import spec_for
from promptops.core.wire.spec import Field, ModelRule, Spec
from promptops.core.wire.takes import Refusal, kept, refusals

__all__ = ["Field", "ModelRule", "Refusal", "Spec", "kept", "refusals", "spec_for"]
