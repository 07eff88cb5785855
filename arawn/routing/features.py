"""What a request looks like to a rule: sizes, tools, keywords, and how complex it seems. Pure."""

from __future__ import annotations

import unicodedata
from typing import Literal

import msgspec

from arawn.config.schema import RoutingConfig
from arawn.messages import CompletionRequest, Text

__all__ = [
    "SCANNED_CHARACTERS",
    "Complexity",
    "FeatureScanner",
    "RequestFeatures",
    "asked_texts",
    "beginning",
    "folded",
]

SCANNED_CHARACTERS = 16_384  # of a message, from its beginning, in which keywords are looked for

Complexity = Literal["simple", "moderate", "complex"]


class RequestFeatures(msgspec.Struct, frozen=True):
    """The features of one request.

    Attributes:
        message_length: Characters of the last user message that holds text; results of tools are no text.
        message_count: Messages of the conversation, this one included.
        has_tools: Whether any tool is offered.
        tool_count: How many.
        has_system_prompt: Whether there is one.
        keyword_signals: The keywords in the beginning of that message, `folded`, in the order of the configuration.
        estimated_complexity: See `FeatureScanner`.
    """

    message_length: int
    message_count: int
    has_tools: bool
    tool_count: int
    has_system_prompt: bool
    keyword_signals: tuple[str, ...]
    estimated_complexity: Complexity


class FeatureScanner:
    """Finds the features of requests.

    A request is `complex` if it offers more than `complex_tools_gt` tools or its message is longer than
    `complex_length_gt` characters; else `moderate` if it is longer than `moderate_length_gt` or holds one of
    `keywords`; else `simple`. What only a rule looks for is found, too, and says nothing of complexity.
    """

    def __init__(self, routing: RoutingConfig) -> None:
        """Make the scanner for keywords, rules and thresholds as they passed every check, enabled or not."""
        self._routing = routing
        self._telling = frozenset(map(folded, routing.keywords))
        of_rules = (rule.condition["keyword"] for rule in routing.rules if "keyword" in rule.condition)
        self._words = tuple(dict.fromkeys(map(folded, (*routing.keywords, *of_rules))))

    def features(self, request: CompletionRequest) -> RequestFeatures:
        """Return what `request` looks like."""
        texts = asked_texts(request)
        length = sum(map(len, texts))
        text = folded(beginning(texts, SCANNED_CHARACTERS))
        found = tuple([word for word in self._words if word in text])
        tools = len(request.tools)
        return RequestFeatures(
            message_length=length,
            message_count=len(request.messages),
            has_tools=tools > 0,
            tool_count=tools,
            has_system_prompt=bool(request.system),
            keyword_signals=found,
            estimated_complexity=self._complexity(length, tools, found),
        )

    def _complexity(self, length: int, tools: int, found: tuple[str, ...]) -> Complexity:
        if tools > self._routing.complex_tools_gt or length > self._routing.complex_length_gt:
            return "complex"
        if length > self._routing.moderate_length_gt or not self._telling.isdisjoint(found):
            return "moderate"
        return "simple"


def folded(text: str) -> str:
    """Return `text` as keywords are compared: without case (`Straße` is `STRASSE`), accents composed (NFC)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def asked_texts(request: CompletionRequest) -> list[str]:
    """Return the texts of the last user message that has one.

    While tools run, the last message holds their results: what was asked stands before it, and an agent's calls for
    one question all look alike.
    """
    for message in reversed(request.messages):
        if message.role == "user":
            texts = [block.text for block in message.content if isinstance(block, Text)]
            if any(text and not text.isspace() for text in texts):
                return texts
    return []


def beginning(texts: list[str], characters: int) -> str:
    """Return the first characters of the texts, which stand on lines of their own; of the rest nothing is copied."""
    parts: list[str] = []
    left = characters
    for text in texts:
        if left <= 0:
            break
        parts.append(text[:left])
        left -= len(text) + 1
    return "\n".join(parts)
