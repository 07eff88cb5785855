# mypy: disable-error-code="import-not-found"
from langchain_openai import ChatOpenAI

# OPENAI_BASE_URL and OPENAI_API_KEY, as `arawn start` prints them; `auto` may be the name of a profile.
model = ChatOpenAI(model="auto")

print(model.invoke("What is the capital of France?").content)

for chunk in model.stream("And of Spain?"):
    print(chunk.content, end="", flush=True)
print()
