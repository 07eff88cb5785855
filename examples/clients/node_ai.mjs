import { createOpenAICompatible } from "@ai-sdk/openai-compatible"; // npm install ai @ai-sdk/openai-compatible
import { streamText } from "ai";

const { OPENAI_BASE_URL, OPENAI_API_KEY } = process.env; // as `arawn start` prints them
const arawn = createOpenAICompatible({ name: "arawn", baseURL: OPENAI_BASE_URL, apiKey: OPENAI_API_KEY });

const { textStream } = streamText({ model: arawn("auto"), prompt: "What is the capital of France?" });
for await (const text of textStream) process.stdout.write(text);
console.log();
