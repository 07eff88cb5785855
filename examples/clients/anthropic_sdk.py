# mypy: disable-error-code="import-not-found"
from anthropic import Anthropic

client = Anthropic()  # ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as `arawn start` prints them

answer = client.messages.create(
    model="auto",  # or the name of a profile
    max_tokens=256,
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    extra_headers={"x-arawn-tag-job": "42"},  # a tag on the record
)
print("".join(block.text for block in answer.content if block.type == "text"))

with client.messages.stream(
    model="auto", max_tokens=256, messages=[{"role": "user", "content": "And of Spain?"}]
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
