"""The vendors that are known by name: where they are, which key is theirs, what they speak. One table, no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Vendor(Struct, frozen=True):
    """One endpoint that needs no configuration.

    `key` is the variable that holds its key (None: none is sent), `hosts` are where that key may go, with their
    subdomains; none for what runs on hosts of one's own. `page` is where the vendor says so.
    """

    base_url: str
    page: str
    key: str | None = None
    hosts: tuple[str, ...] = ()
    format: str = "openai-chat"


VENDORS: Final[Mapping[str, Vendor]] = {
    "openai": Vendor(
        "https://api.openai.com/v1",
        "https://developers.openai.com/api/reference/overview",
        "OPENAI_API_KEY",
        ("api.openai.com",),
    ),
    "anthropic": Vendor(
        "https://api.anthropic.com/v1",
        "https://platform.claude.com/docs/en/api/overview",
        "ANTHROPIC_API_KEY",
        ("api.anthropic.com",),
        "anthropic-messages",
    ),
    "cohere": Vendor(
        "https://api.cohere.com",
        "https://docs.cohere.com/reference/chat",
        "COHERE_API_KEY",
        ("api.cohere.com", "api.cohere.ai"),
        "cohere",
    ),
    "deepseek": Vendor(
        "https://api.deepseek.com",
        "https://api-docs.deepseek.com/quick_start/pricing",
        "DEEPSEEK_API_KEY",
        ("api.deepseek.com",),
        "deepseek",
    ),
    "gemini": Vendor(
        "https://generativelanguage.googleapis.com/v1beta",
        "https://ai.google.dev/api/generate-content",
        "GEMINI_API_KEY",
        ("generativelanguage.googleapis.com",),
        "gemini",
    ),
    "google": Vendor(
        "https://generativelanguage.googleapis.com/v1beta",
        "https://ai.google.dev/gemini-api/docs/api-key",
        "GOOGLE_API_KEY",
        ("generativelanguage.googleapis.com", "aiplatform.googleapis.com"),
        "gemini",
    ),
    "groq": Vendor(
        "https://api.groq.com/openai/v1",
        "https://console.groq.com/docs/openai",
        "GROQ_API_KEY",
        ("api.groq.com",),
    ),
    "helicone": Vendor(
        "https://ai-gateway.helicone.ai/v1",
        "https://docs.helicone.ai/gateway/overview",
        "HELICONE_API_KEY",
        ("helicone.ai",),
    ),
    "litellm": Vendor("http://127.0.0.1:4000/v1", "https://docs.litellm.ai/docs/proxy/user_keys", "LITELLM_API_KEY"),
    "llama-cpp": Vendor(
        "http://127.0.0.1:8080/v1", "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"
    ),
    "lm-studio": Vendor("http://127.0.0.1:1234/v1", "https://lmstudio.ai/docs/developer/openai-compat"),
    "mistral": Vendor(
        "https://api.mistral.ai/v1",
        "https://docs.mistral.ai/api",
        "MISTRAL_API_KEY",
        ("api.mistral.ai",),
        "mistral",
    ),
    "ollama": Vendor("http://127.0.0.1:11434", "https://docs.ollama.com/api/introduction", format="ollama"),
    "openrouter": Vendor(
        "https://openrouter.ai/api/v1",
        "https://openrouter.ai/docs/quickstart",
        "OPENROUTER_API_KEY",
        ("openrouter.ai",),
    ),
    "portkey": Vendor(
        "https://api.portkey.ai/v1",
        "https://portkey.ai/docs/api-reference/inference-api/introduction",
        "PORTKEY_API_KEY",
        ("api.portkey.ai",),
    ),
    "together": Vendor(
        "https://api.together.xyz/v1",
        "https://docs.together.ai/docs/openai-api-compatibility",
        "TOGETHER_API_KEY",
        ("api.together.xyz", "api.together.ai"),
    ),
    "tokenmix": Vendor(
        "https://api.tokenmix.ai/v1", "https://tokenmix.ai/docs", "TOKENMIX_API_KEY", ("api.tokenmix.ai",)
    ),
    "vllm": Vendor("http://127.0.0.1:8000/v1", "https://docs.vllm.ai/en/stable/serving/openai_compatible_server/"),
    "xai": Vendor("https://api.x.ai/v1", "https://docs.x.ai/docs/api-reference", "XAI_API_KEY", ("api.x.ai",)),
}
"""The provider of a pin → where it is. A table of the same name in pyproject.toml replaces it whole."""

# Keys of vendors that are not in the table, or that more than one endpoint there takes.
MORE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS_SECRET_ACCESS_KEY": ("amazonaws.com", "amazonaws.com.cn", "api.aws"),
    "AZURE_OPENAI_API_KEY": ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
    "BEDROCK_API_KEY": ("amazonaws.com", "amazonaws.com.cn", "api.aws"),
    "CEREBRAS_API_KEY": ("api.cerebras.ai",),
    "CO_API_KEY": ("api.cohere.com", "api.cohere.ai"),
    "FIREWORKS_API_KEY": ("api.fireworks.ai",),
    "OLLAMA_API_KEY": ("ollama.com",),
}

KEY_HOSTS: Final[Mapping[str, tuple[str, ...]]] = {
    **MORE_KEYS,
    **{vendor.key: vendor.hosts for vendor in VENDORS.values() if vendor.key and vendor.hosts},
}
"""Variable → the hosts (and their subdomains) that the vendor's key may be sent to."""
