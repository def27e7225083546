"""What vendors say when they refuse: the status that their SDKs report, in a kind and with their own words."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.errors import FailureKind, ProviderError
from promptops.testing import Answer
from tests.providers.oracles.oracle import conversation, sent_by, sent_by_us, served

USER = [{"role": "user", "content": "hi"}]
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-of-a-test", "AWS_REGION": "eu-west-1"}


def ask_mistral(url: str) -> None:
    client = pytest.importorskip("mistralai.client")
    with client.Mistral(api_key="k", server_url=url) as sdk:
        sdk.chat.complete(model="m", messages=USER)


def ask_cohere(url: str) -> None:
    import httpx

    cohere = pytest.importorskip("cohere")
    with httpx.Client() as sockets:
        client = cohere.ClientV2(api_key="k", base_url=url, httpx_client=sockets)
        client.chat(model="m", messages=USER, request_options={"max_retries": 0})


def ask_ollama(url: str) -> None:
    ollama = pytest.importorskip("ollama")
    with ollama.Client(host=url) as client:
        client.chat("m", USER)


def ask_openai(url: str) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        client.chat.completions.create(model="m", messages=USER)


def ask_bedrock(url: str) -> None:
    session = pytest.importorskip("botocore.session")
    from botocore.config import Config

    names = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1", "endpoint_url": url}
    config = Config(retries={"total_max_attempts": 1})
    client = session.get_session().create_client("bedrock-runtime", config=config, **names)
    try:
        client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])
    finally:
        client.close()


ASKING = {
    "mistral": ask_mistral,
    "cohere": ask_cohere,
    "ollama": ask_ollama,
    "deepseek": ask_openai,
    "azure-openai": ask_openai,
    "bedrock-converse": ask_bedrock,
}
WRONG = {"loc": ["body", "temperature"], "msg": "Input should be less than 1.5", "type": "less_than_equal"}


def amazon(status: int, name: str, said: str) -> Answer:
    return served({"message": said}, status=status, headers={"x-amzn-ErrorType": f"{name}:http://internal/"})


SAID: list[tuple[str, Answer, str, FailureKind]] = [
    (
        "mistral",
        served({"object": "error", "message": "Invalid model: m", "code": "1500"}, status=400),
        "Invalid model",
        "request",
    ),
    ("mistral", served({"detail": [WRONG]}, status=422), "less than 1.5", "request"),
    ("mistral", served({"message": "Unauthorized", "request_id": "1"}, status=401), "Unauthorized", "auth"),
    ("mistral", served({"message": "Requests rate limit exceeded"}, status=429), "rate limit exceeded", "rate_limit"),
    ("cohere", served({"id": "1", "message": "model 'm' not found"}, status=404), "not found", "not_found"),
    ("cohere", served({"message": "invalid api token"}, status=401), "invalid api token", "auth"),
    ("cohere", served({"message": "You are using a Trial key"}, status=429), "Trial key", "rate_limit"),
    ("cohere", served({"message": "client closed request"}, status=499), "closed request", "request"),
    ("ollama", served({"error": "model 'm' not found"}, status=404), "model 'm' not found", "not_found"),
    (
        "ollama",
        served({"error": "the input length exceeds the context length"}, status=400),
        "exceeds the context",
        "request",
    ),
    ("ollama", served({"error": "llama runner process has terminated"}, status=500), "terminated", "server"),
    (
        "deepseek",
        served({"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}, status=402),
        "Balance",
        "auth",
    ),
    ("deepseek", served({"error": {"message": "Server overloaded"}}, status=503), "overloaded", "server"),
    (
        "azure-openai",
        served({"error": {"code": "DeploymentNotFound", "message": "no deployment"}}, status=404),
        "no deployment",
        "not_found",
    ),
    (
        "bedrock-converse",
        amazon(400, "ValidationException", "The provided model identifier is invalid."),
        "identifier",
        "request",
    ),
    (
        "bedrock-converse",
        amazon(403, "AccessDeniedException", "You don't have access"),
        r"don't have access.*AWS_ACCESS_KEY_ID",
        "auth",
    ),
    ("bedrock-converse", amazon(404, "ResourceNotFoundException", "end of its life"), "end of its life", "not_found"),
    ("bedrock-converse", amazon(408, "ModelTimeoutException", "too long"), "too long", "timeout"),
    ("bedrock-converse", amazon(424, "ModelErrorException", "the model failed"), "the model failed", "server"),
    ("bedrock-converse", amazon(429, "ThrottlingException", "Too many requests"), "Too many requests", "rate_limit"),
    ("bedrock-converse", amazon(503, "ServiceUnavailableException", "later"), "later", "server"),
]


@pytest.mark.parametrize(("format_name", "answer", "words", "kind"), SAID)
def test_an_error_has_the_vendors_words_and_a_kind(
    format_name: str, answer: Answer, words: str, kind: FailureKind
) -> None:
    found: list[Any] = []

    def call(url: str) -> None:
        with pytest.raises(Exception) as caught:  # each SDK has its own
            ASKING[format_name](url)
        found.append(caught.value)

    sent_by(call, answer)
    settings: dict[str, Any] = {}
    if format_name == "bedrock-converse":
        settings = {"key": None, "format_settings": {"environ": ENVIRON}}
    with pytest.raises(ProviderError, match=words) as ours:
        sent_by_us(format_name, conversation("m"), answer, **settings)
    assert ours.value.status == status_of(found[0]) == answer.status
    assert ours.value.kind == kind


def status_of(error: Any) -> int:
    if hasattr(error, "response") and isinstance(error.response, dict):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return int(error.status_code)
