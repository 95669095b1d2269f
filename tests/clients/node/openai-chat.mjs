// The official npm client: chat, streams, structured answers, tools.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const client = new OpenAI({ maxRetries: 0 });
const model = 'fake';
const user = (content) => [{ role: 'user', content }];
const said = 'Hello 日本! 👋🏽';

const whole = await client.chat.completions.create({ model, messages: user('Hi') });
assert.equal(whole.choices[0].message.content, said);
assert.equal(whole.choices[0].finish_reason, 'stop');
assert.match(whole._request_id, /^req_/);

let streamed = '';
let usage = null;
const stream = await client.chat.completions.create({
  model,
  messages: user('Hi'),
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta.content ?? '';
  usage = chunk.usage ?? usage;
}
assert.equal(streamed, said);
assert.deepEqual(usage, whole.usage);

const helper = client.chat.completions.stream({ model, messages: user('Hi') });
assert.equal(await helper.finalContent(), said);

const Book = z.object({ title: z.string(), year: z.int() });
const parsed = await client.chat.completions.parse({
  model,
  messages: user('Who wrote it?'),
  response_format: zodResponseFormat(Book, 'book'),
});
assert.deepEqual(parsed.choices[0].message.parsed, { title: '三四郎', year: 1908 });

const asked = [];
const runner = client.chat.completions.runTools({
  model,
  stream: true,
  messages: user('What is the weather?'),
  tools: [
    zodFunction({
      name: 'get_weather',
      description: 'The weather of a city.',
      parameters: z.object({ city: z.string() }),
      function: ({ city }) => {
        asked.push(city);
        return 'sunny';
      },
    }),
  ],
});
assert.equal(await runner.finalContent(), 'It is sunny in 東京.');
assert.deepEqual(asked, ['東京']);

const left = await client.chat.completions.create({ model, messages: user('long'), stream: true });
for await (const _ of left) break; // leaving the loop closes the connection

console.log(JSON.stringify({ text: streamed, asked, tokens: usage.completion_tokens }));
