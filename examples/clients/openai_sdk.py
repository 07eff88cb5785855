# mypy: disable-error-code="import-not-found"
from openai import OpenAI

client = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY, as `arawn start` prints them

answer = client.chat.completions.create(
    model="auto",  # or the name of a profile
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    extra_headers={"x-arawn-tag-job": "42"},  # a tag on the record
)
print(answer.choices[0].message.content)

chunks = client.chat.completions.create(
    model="auto", messages=[{"role": "user", "content": "And of Spain?"}], stream=True
)
for chunk in chunks:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()

response = client.responses.create(model="auto", input="And of Italy?")
print(response.output_text)
