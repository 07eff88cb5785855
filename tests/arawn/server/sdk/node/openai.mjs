// The package `openai`: chat completions.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const STOPS = { stop: "end_turn", length: "max_tokens", tool_calls: "tool_use", content_filter: "refusal" };
const QUESTION = { model: "auto", messages: [{ role: "user", content: "hi" }] };
const City = z.object({ name: z.string(), people: z.number() });

const open = ({ url, token, retries }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: retries });

export async function ask(asked) {
  const functions = asked.tools.map((name) => ({ name, parameters: { type: "object", properties: {} } }));
  const tools = functions.map((each) => ({ type: "function", function: each }));
  const body = { ...QUESTION, model: asked.model, ...(tools.length ? { tools } : {}) };
  const completions = open(asked).chat.completions;
  const answer = asked.stream
    ? await completions.stream({ ...body, stream_options: { include_usage: true } }).finalChatCompletion()
    : await completions.create(body);
  const { message, finish_reason } = answer.choices[0];
  const calls = (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  return {
    text: message.content ?? "",
    calls,
    stop: STOPS[finish_reason],
    usage: [answer.usage.prompt_tokens, answer.usage.completion_tokens],
    model: answer.model,
  };
}

export async function parse(asked) {
  const body = { ...QUESTION, response_format: zodResponseFormat(City, "city") };
  const completions = open(asked).chat.completions;
  const answer = asked.stream
    ? await completions.stream(body).finalChatCompletion()
    : await completions.parse(body);
  return answer.choices[0].message.parsed;
}

export async function run(asked) {
  const ran = [];
  const add = ({ a, b }) => {
    ran.push([a, b]);
    return String(a + b);
  };
  const parameters = { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } };
  const tool = { type: "function", function: { name: "add", function: add, parse: JSON.parse, parameters } };
  const runner = open(asked).chat.completions.runTools({ ...QUESTION, tools: [tool], stream: asked.stream });
  return { text: await runner.finalContent(), ran };
}

export async function abort(asked) {
  const chunks = await open(asked).chat.completions.create({ ...QUESTION, stream: true });
  for await (const chunk of chunks) {
    if (chunk.choices[0].delta.content) chunks.controller.abort();
  }
  return "left";
}
