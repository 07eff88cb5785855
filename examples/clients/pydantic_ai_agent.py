# mypy: disable-error-code="import-not-found"
from pydantic_ai import Agent


def weather(city: str) -> str:
    """Say what the weather is like in a city."""
    return f"It rains in {city}."


# OPENAI_BASE_URL and OPENAI_API_KEY, as `arawn start` prints them; `auto` may be the name of a profile.
agent = Agent("openai-chat:auto", instructions="Be brief.", tools=[weather])

first = agent.run_sync("What is the weather like in Paris?")
print(first.output)

second = agent.run_sync("And tomorrow?", message_history=first.all_messages())
print(second.output, second.usage.output_tokens)
