// What a program does with OpenAI's SDK for Node: `drive_openai.mjs BASE_URL KEY` prints what it saw as JSON.
import OpenAI from "openai";
import { VERSION } from "openai/version";

const PICTURE = "data:image/png;base64,iVBORw0KGgo=";
const TOOL = { type: "function", function: { name: "find_weather", parameters: { type: "object" } } };

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

async function chat() {
  const answer = await client.chat.completions.create({
    model: "gpt-5.4", messages: [{ role: "user", content: "Hello" }],
  });
  return [answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.total_tokens > 0];
}

async function stream() {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({
    model: "gpt-5.4", messages: [{ role: "user", content: "สวัสดี" }], stream: true,
    stream_options: { include_usage: true },
  })) chunks.push(chunk);
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
  return [text, chunks.length > 2, chunks.at(-1).usage.total_tokens > 0];
}

async function tools() {
  const messages = [{ role: "user", content: "call find_weather" }];
  const ask = { model: "gpt-5.4", messages, tools: [TOOL] };
  const first = (await client.chat.completions.create(ask)).choices[0];
  const [call] = first.message.tool_calls;
  messages.push(first.message, { role: "tool", tool_call_id: call.id, content: "Sunny" });
  const second = (await client.chat.completions.create(ask)).choices[0];
  return [first.finish_reason, call.function.name, second.message.content];
}

async function vision() {
  const answer = await client.chat.completions.create({
    model: "gpt-5.4-vision",
    messages: [{ role: "user", content: [
      { type: "text", text: "What is this?" }, { type: "image_url", image_url: { url: PICTURE } },
    ] }],
  });
  return answer.choices[0].message.content;
}

async function embeddings() {
  // This SDK asks for base64 by itself, and decodes it.
  const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  return answer.data.map((item) => [item.index, item.embedding.length, typeof item.embedding[0] === "number"]);
}

async function responses() {
  const whole = await client.responses.create({ model: "gpt-5.4", input: "Hello", instructions: "Be brief." });
  const events = [];
  for await (const event of await client.responses.create({ model: "gpt-5.4", input: "Hello", stream: true })) {
    events.push(event.type);
  }
  return [whole.output_text, whole.usage.output_tokens > 0, events[0], events.at(-1)];
}

async function models() {
  const listed = [];
  for await (const model of client.models.list()) listed.push(model.id);
  return [listed.includes("gpt-5.5"), (await client.models.retrieve("google/gemini-3-flash-preview")).owned_by];
}

async function refusal() {
  try {
    await client.chat.completions.create({ model: "nobody/knows", messages: [{ role: "user", content: "Hello" }] });
  } catch (error) {
    if (error instanceof OpenAI.NotFoundError) return [error.status, error.code];
    throw error;
  }
  return null;
}

const saw = {};
for (const step of [chat, stream, tools, vision, embeddings, responses, models, refusal]) saw[step.name] = await step();
console.log(JSON.stringify({ version: VERSION, saw }));
