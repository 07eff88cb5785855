// Does one task with one client and prints, as JSON, what the client understood: `{said}` or `{error}`.
// Its one argument is JSON: {client, task, url, token, model, stream, retries, tools}.

const MODULES = {
  openai: "./openai.mjs",
  "openai-responses": "./openai_responses.mjs",
  anthropic: "./anthropic.mjs",
  "ai-openai": "./ai.mjs",
  "ai-openai-responses": "./ai.mjs",
  "ai-openai-compatible": "./ai.mjs",
  "ai-anthropic": "./ai.mjs",
};

const asked = JSON.parse(process.argv[2]);

function understood(error) {
  const original = error.lastError ?? error; // the SDK of Vercel wraps what it raises after its last try
  return {
    kind: original.constructor.name,
    status: original.status ?? original.statusCode ?? null,
    message: original.message,
    request_id: original.requestID ?? original.responseHeaders?.["x-request-id"] ?? null,
  };
}

try {
  const client = await import(MODULES[asked.client]);
  console.log(JSON.stringify({ said: await client[asked.task](asked) }));
} catch (error) {
  console.log(JSON.stringify({ error: understood(error) }));
}
