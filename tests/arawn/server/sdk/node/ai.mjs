// The package `ai` with the providers of three packages.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false; // they go to stdout

const STOPS = { stop: "end_turn", length: "max_tokens", "tool-calls": "tool_use", "content-filter": "refusal" };
const City = z.object({ name: z.string(), people: z.number() });

const MODELS = {
  "ai-openai": (name, baseURL, apiKey) => createOpenAI({ baseURL, apiKey }).chat(name),
  "ai-openai-responses": (name, baseURL, apiKey) => createOpenAI({ baseURL, apiKey }).responses(name),
  "ai-openai-compatible": (name, baseURL, apiKey) => {
    const settings = { name: "arawn", includeUsage: true, supportsStructuredOutputs: true };
    return createOpenAICompatible({ ...settings, baseURL, apiKey })(name);
  },
  "ai-anthropic": (name, baseURL, apiKey) => createAnthropic({ baseURL, apiKey })(name),
};

const open = ({ client, model, url, token }) => MODELS[client](model, `${url}/v1`, token);

// Ask; a streamed answer is read to its end, and what broke it is raised.
async function answered(asked, more) {
  const body = { model: open(asked), prompt: "hi", maxRetries: asked.retries, ...more };
  if (!asked.stream) return generateText(body);
  const result = streamText({ ...body, onError: () => {} });
  for await (const part of result.fullStream) if (part.type === "error") throw part.error;
  return result;
}

export async function ask(asked) {
  const inputSchema = jsonSchema({ type: "object", properties: {} });
  const tools = Object.fromEntries(asked.tools.map((name) => [name, tool({ inputSchema })]));
  const answer = await answered(asked, asked.tools.length ? { tools } : {});
  const usage = await answer.usage;
  return {
    text: await answer.text,
    calls: (await answer.toolCalls).map((call) => [call.toolName, call.input]),
    stop: STOPS[await answer.finishReason],
    usage: [usage.inputTokens, usage.outputTokens],
    model: (await answer.response).modelId,
  };
}

export async function parse(asked) {
  return await (await answered(asked, { output: Output.object({ schema: City }) })).output;
}

export async function run(asked) {
  const ran = [];
  const add = tool({
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    execute: ({ a, b }) => {
      ran.push([a, b]);
      return a + b;
    },
  });
  const answer = await answered(asked, { tools: { add }, stopWhen: stepCountIs(3) });
  return { text: await answer.text, ran };
}

export async function abort(asked) {
  const leaving = new AbortController();
  const { fullStream } = streamText({ model: open(asked), prompt: "hi", abortSignal: leaving.signal, onError: () => {} });
  for await (const part of fullStream) if (part.type === "text-delta") leaving.abort();
  return "left";
}
