"""Azure OpenAI: OpenAI's chat completions at a deployment of one's own."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from promptops.core.wire.openai_chat import OPENAI_ITSELF

PAGE: Final = "https://learn.microsoft.com/azure/ai-foundry/openai/reference"
VERSIONS: Final = "https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle"

AZURE_OPENAI: Final = replace(OPENAI_ITSELF, format="azure-openai", page=PAGE, key_header="api-key")
