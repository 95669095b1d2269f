// Vercel's AI SDK, through the provider that PROVIDER names: text, streams, objects, a tool loop, embeddings.
import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed, embedMany, generateText, isStepCount, Output, streamText, tool } from 'ai';
import { z } from 'zod';

const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey, PROVIDER } = process.env;
const official = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({
  name: 'owngpt',
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const provider = {
  'openai-responses': { chat: official.responses('fake'), embedding: official.embedding('fake-embed') },
  openai: { chat: official.chat('fake'), embedding: official.embedding('fake-embed') },
  'openai-compatible': { chat: compatible('fake'), embedding: compatible.embeddingModel('fake-embed') },
}[PROVIDER];
const model = provider.chat;
const said = 'Hello 日本! 👋🏽';

const text = await generateText({ model, prompt: 'Hi', system: 'Be kind.', maxRetries: 0 });
assert.equal(text.text, said);
assert.equal(text.finishReason, 'stop');
assert.ok(text.usage.inputTokens > 0 && text.usage.outputTokens > 0);

const stream = streamText({ model, prompt: 'Hi', maxRetries: 0 });
const pieces = [];
for await (const piece of stream.textStream) pieces.push(piece);
assert.equal(pieces.join(''), said);
assert.ok(pieces.length > 1, 'it comes in pieces');
assert.equal((await stream.usage).outputTokens, text.usage.outputTokens);

const output = Output.object({ schema: z.object({ title: z.string(), year: z.int() }) });
const book = { title: '三四郎', year: 1908 };
const whole = await generateText({ model, prompt: 'Who wrote it?', output, maxRetries: 0 });
assert.deepEqual(whole.output, book);
const growing = streamText({ model, prompt: 'Who wrote it?', output, maxRetries: 0 });
let last;
for await (const partial of growing.partialOutputStream) last = partial;
assert.deepEqual(last, book);

const tools = {
  get_weather: tool({
    description: 'The weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
};
const loop = { model, prompt: 'What is the weather?', tools, stopWhen: isStepCount(3), maxRetries: 0 };
const looped = await generateText(loop);
assert.deepEqual(looped.steps[0].toolResults.map((result) => result.output), ['sunny in 東京']);
assert.equal(looped.text, 'It is sunny in 東京.');
const streamedLoop = streamText(loop);
await streamedLoop.consumeStream();
assert.equal(await streamedLoop.text, 'It is sunny in 東京.');
assert.equal((await streamedLoop.steps).length, 2);
const forced = await generateText({ ...loop, toolChoice: { type: 'tool', toolName: 'get_weather' }, stopWhen: isStepCount(1) });
assert.equal(forced.toolCalls[0].toolName, 'get_weather');

const one = await embed({ model: provider.embedding, value: 'a', maxRetries: 0 });
const many = await embedMany({ model: provider.embedding, values: ['a', 'b'], maxRetries: 0 });
assert.deepEqual(many.embeddings[0], one.embedding);

const refusal = await generateText({ model, prompt: 'Hi', temperature: 9, maxRetries: 0 }).catch((error) => error);
assert.equal(refusal.statusCode, 400);
assert.match(refusal.message, /temperature/);

console.log(JSON.stringify({ text: text.text, steps: looped.steps.length, dimensions: one.embedding.length }));
