#!/bin/sh
# The command `llm`, with the two variables that `arawn start` prints for OpenAI.
set -eu

LLM_USER_PATH=$(mktemp -d) # yours is below ~/.config; `llm models list` shows what is in it
export LLM_USER_PATH
trap 'rm -r "$LLM_USER_PATH"' EXIT

cat >"$LLM_USER_PATH/extra-openai-models.yaml" <<MODELS
- model_id: arawn
  model_name: auto
  api_base: $OPENAI_BASE_URL
  api_key_name: arawn
MODELS

llm --model arawn --key "$OPENAI_API_KEY" "What is the capital of France?"
