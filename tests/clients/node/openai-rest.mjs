// The official npm client: models, completions, embeddings, and what is thrown for which error.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const client = new OpenAI({ maxRetries: 0 });

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.equal((await client.models.retrieve('gpt-fake')).owned_by, 'owngpt');

const completion = await client.completions.create({ model: 'fake', prompt: ['a', 'b'], max_tokens: 5 });
assert.deepEqual(completion.choices.map((choice) => choice.text), ['Hello', 'Hello']);
let streamed = '';
for await (const chunk of await client.completions.create({ model: 'fake', prompt: 'a', max_tokens: 5, stream: true })) {
  streamed += chunk.choices[0].text;
}
assert.equal(streamed, 'Hello');

// The client asks for base64 by itself, and decodes it.
const embed = (options) => client.embeddings.create({ model: 'fake-embed', input: ['a', 'b'], ...options });
const [decoded, numbers] = await Promise.all([embed({}), embed({ encoding_format: 'float' })]);
for (const [i, { embedding }] of decoded.data.entries()) {
  assert.equal(embedding.length, 8);
  embedding.forEach((x, j) => assert.ok(Math.abs(x - numbers.data[i].embedding[j]) < 1e-6));
}

const errors = {};
const thrown = async (promise) => {
  const error = await promise.then(() => assert.fail('nothing was thrown'), (error) => error);
  errors[error.constructor.name] = { status: error.status, code: error.code, param: error.param };
};
await thrown(client.chat.completions.create({ model: 'gpt-9', messages: [{ role: 'user', content: 'Hi' }] }));
await thrown(client.chat.completions.create({ model: 'fake', messages: [] }));
await thrown(client.withOptions({ apiKey: 'wrong' }).models.list());

console.log(JSON.stringify({ models, errors }));
