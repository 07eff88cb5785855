import OpenAI from "openai"; // npm install openai

const client = new OpenAI(); // OPENAI_BASE_URL and OPENAI_API_KEY, as `arawn start` prints them

const answer = await client.chat.completions.create({
  model: "auto", // or the name of a profile
  messages: [{ role: "user", content: "What is the capital of France?" }],
});
console.log(answer.choices[0].message.content);

const chunks = await client.chat.completions.create({
  model: "auto",
  messages: [{ role: "user", content: "And of Spain?" }],
  stream: true,
});
for await (const chunk of chunks) process.stdout.write(chunk.choices[0].delta.content ?? "");
console.log();
