// The package `openai`: responses.

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const QUESTION = { model: "auto", input: "hi" };
const City = z.object({ name: z.string(), people: z.number() });

const open = ({ url, token, retries }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: retries });

function reason(answer, calls) {
  if (answer.status === "completed") return calls.length ? "tool_use" : "end_turn";
  return { max_output_tokens: "max_tokens", content_filter: "refusal" }[answer.incomplete_details.reason];
}

export async function ask(asked) {
  const parameters = { type: "object", properties: {} };
  const tools = asked.tools.map((name) => ({ type: "function", name, strict: false, parameters }));
  const body = { ...QUESTION, model: asked.model, ...(tools.length ? { tools } : {}) };
  const responses = open(asked).responses;
  const answer = asked.stream ? await responses.stream(body).finalResponse() : await responses.create(body);
  const called = answer.output.filter((item) => item.type === "function_call");
  const calls = called.map((item) => [item.name, JSON.parse(item.arguments)]);
  return {
    text: answer.output_text,
    calls,
    stop: reason(answer, calls),
    usage: [answer.usage.input_tokens, answer.usage.output_tokens],
    model: answer.model,
  };
}

export async function parse(asked) {
  const body = { ...QUESTION, text: { format: zodTextFormat(City, "city") } };
  const responses = open(asked).responses;
  const answer = asked.stream ? await responses.stream(body).finalResponse() : await responses.parse(body);
  return answer.output_parsed;
}

export async function run(asked) {
  const client = open(asked);
  const properties = { a: { type: "number" }, b: { type: "number" } };
  const tools = [{ type: "function", name: "add", strict: false, parameters: { type: "object", properties } }];
  const answer = (input) =>
    asked.stream
      ? client.responses.stream({ ...QUESTION, input, tools }).finalResponse()
      : client.responses.create({ ...QUESTION, input, tools });
  const first = await answer("hi");
  const call = first.output.find((item) => item.type === "function_call");
  const { a, b } = JSON.parse(call.arguments);
  const result = { type: "function_call_output", call_id: call.call_id, output: String(a + b) };
  const second = await answer([{ role: "user", content: "hi" }, ...first.output, result]);
  return { text: second.output_text, ran: [[a, b]] };
}

export async function abort(asked) {
  const events = await open(asked).responses.create({ ...QUESTION, stream: true });
  for await (const event of events) {
    if (event.type === "response.output_text.delta") events.controller.abort();
  }
  return "left";
}
