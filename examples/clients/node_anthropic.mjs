import Anthropic from "@anthropic-ai/sdk"; // npm install @anthropic-ai/sdk

const client = new Anthropic(); // ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as `arawn start` prints them
const ask = (content) => ({ model: "auto", max_tokens: 256, messages: [{ role: "user", content }] });

const answer = await client.messages.create(ask("What is the capital of France?"));
console.log(answer.content.map((block) => block.text ?? "").join(""));

const stream = client.messages.stream(ask("And of Spain?"));
stream.on("text", (text) => process.stdout.write(text));
await stream.finalMessage();
console.log();
