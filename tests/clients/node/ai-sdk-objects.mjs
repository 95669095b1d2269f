// Vercel's AI SDK: objects, arrays and choices from the random model `tiny`, whole and streamed.
import assert from 'node:assert/strict';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, Output, streamText } from 'ai';
import { z } from 'zod';

const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey } = process.env;
const model = createOpenAICompatible({ name: 'owngpt', baseURL, apiKey, supportsStructuredOutputs: true })('tiny');
// Without thinking: a random model that happens to begin it has no reason to end it.
const ask = (output, seed) => ({
  model,
  prompt: 'Tell me.',
  output,
  seed,
  maxRetries: 0,
  providerOptions: { owngpt: { reasoningEffort: 'none' } },
});

const pet = z.object({
  name: z.string().max(8),
  kind: z.enum(['cat', '犬']),
  age: z.int().min(0).max(30),
  owner: z.object({ name: z.string().max(4) }).nullable(),
});
const results = [];
results.push((await generateText(ask(Output.object({ schema: pet }), 1))).output);
results.push((await generateText(ask(Output.array({ element: z.object({ ok: z.boolean() }) }), 2))).output);
results.push((await generateText(ask(Output.choice({ options: ['sunny', 'rainy'] }), 3))).output);
assert.ok(pet.safeParse(results[0]).success);
assert.ok(Array.isArray(results[1]));
assert.ok(['sunny', 'rainy'].includes(results[2]));

const stream = streamText(ask(Output.object({ schema: pet }), 1));
let last;
for await (const partial of stream.partialOutputStream) last = partial;
assert.deepEqual(last, results[0], 'the same seed says the same, streamed or not');
results.push(last);

console.log(JSON.stringify({ count: results.length, results }));
