#!/bin/sh
# Plain HTTP, with the two variables that `arawn start` prints for OpenAI.
set -eu

curl --fail-with-body --silent --show-error "$OPENAI_BASE_URL/chat/completions" \
    --header "authorization: Bearer $OPENAI_API_KEY" \
    --json '{"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}'
echo

curl --fail-with-body --silent --show-error --no-buffer "$OPENAI_BASE_URL/chat/completions" \
    --header "authorization: Bearer $OPENAI_API_KEY" \
    --json '{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "And of Spain?"}]}'
