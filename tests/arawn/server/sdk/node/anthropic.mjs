// The package `@anthropic-ai/sdk`: messages, and its beta namespace.

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

const QUESTION = { model: "auto", max_tokens: 64, messages: [{ role: "user", content: "hi" }] };
const City = z.object({ name: z.string(), people: z.number() });

const open = ({ url, token, retries }) => new Anthropic({ baseURL: url, apiKey: token, maxRetries: retries });

export async function ask(asked) {
  const tools = asked.tools.map((name) => ({ name, input_schema: { type: "object", properties: {} } }));
  const body = { ...QUESTION, model: asked.model, ...(tools.length ? { tools } : {}) };
  const messages = open(asked).messages;
  const answer = asked.stream ? await messages.stream(body).finalMessage() : await messages.create(body);
  const blocks = (type) => answer.content.filter((block) => block.type === type);
  return {
    text: blocks("text").map((block) => block.text).join(""),
    calls: blocks("tool_use").map((block) => [block.name, block.input]),
    stop: answer.stop_reason,
    usage: [answer.usage.input_tokens, answer.usage.output_tokens],
    model: answer.model,
  };
}

export async function parse(asked) {
  const body = { ...QUESTION, output_config: { format: zodOutputFormat(City) } };
  const messages = open(asked).messages;
  const answer = asked.stream ? await messages.stream(body).finalMessage() : await messages.parse(body);
  return answer.parsed_output;
}

export async function run(asked) {
  const ran = [];
  const add = betaZodTool({
    name: "add",
    description: "Add.",
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    run: ({ a, b }) => {
      ran.push([a, b]);
      return String(a + b);
    },
  });
  const runner = open(asked).beta.messages.toolRunner({ ...QUESTION, tools: [add], stream: asked.stream });
  let last;
  for await (const turn of runner) last = asked.stream ? await turn.finalMessage() : turn;
  return { text: last.content.map((block) => block.text ?? "").join(""), ran };
}

export async function abort(asked) {
  const events = await open(asked).messages.create({ ...QUESTION, stream: true });
  for await (const event of events) {
    if (event.type === "content_block_delta") events.controller.abort();
  }
  return "left";
}
