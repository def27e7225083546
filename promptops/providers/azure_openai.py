"""The wire format of Azure OpenAI: OpenAI's chat completions at a deployment, with a header of its own for the key.

Sources: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle (v1),
https://learn.microsoft.com/azure/ai-foundry/openai/reference (dated versions)
"""

from __future__ import annotations

from urllib.parse import quote

from promptops.core.wire.azure_openai import AZURE_OPENAI
from promptops.core.wire.spec import Spec
from promptops.providers.openai_chat import OpenAIChat


class AzureOpenAI(OpenAIChat):
    """Below `https://<resource>.openai.azure.com/openai/v1`, or below `…/openai` with a dated `api_version`.

    A deployment is what the endpoint calls the model: replies name the model that is deployed there.
    """

    def __init__(
        self, spec: Spec = AZURE_OPENAI, *, drop_unsupported: bool = False, api_version: str | None = None
    ) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)
        self._version = api_version

    def path(self, model: str, *, stream: bool = False) -> str:
        """The same for all deployments, but for dated versions, where the deployment stands in the path."""
        if self._version is None:
            return super().path(model, stream=stream)
        return f"/deployments/{quote(model, safe='')}/chat/completions?api-version={quote(self._version, safe='')}"
