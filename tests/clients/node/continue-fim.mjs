// Continue's own adapter, which its extensions complete code through: provider mistral, streamed, aborted, refused.
import assert from 'node:assert/strict';
import { constructLlmApi } from '@continuedev/openai-adapters';

// As Continue's config.yaml says it; the last slash of apiBase matters, since the path is resolved against it.
const api = constructLlmApi({
  provider: 'mistral',
  apiBase: `${process.env.OPENAI_BASE_URL}/`,
  apiKey: process.env.OPENAI_API_KEY,
});
const body = { model: 'fake', prompt: 'def f(x):\n    return ', suffix: '\n', max_tokens: 4096, temperature: 0.01, stream: true };
const stop = ['<fim_prefix>', '<fim_suffix>', '<fim_middle>', '<file_sep>', '<|endoftext|>', '</code>', '/src/', '```'];

const stream = async (options, signal = new AbortController().signal) => {
  let text = '';
  for await (const chunk of api.fimStream({ ...body, ...options }, signal)) text += chunk.choices[0].delta.content;
  return text;
};

const line = await stream({ stop });
const block = await stream({ prompt: 'def f(x):\n    ', suffix: '\n\ndef g():\n    pass\n', stop });

// What is typed on while an answer comes makes Continue abort it; its stream then just ends.
const aborting = new AbortController();
setTimeout(() => aborting.abort(), 50);
const aborted = await stream({ prompt: 'slow = ' }, aborting.signal).catch((error) => assert.match(String(error), /abort/i) ?? '');

console.log(JSON.stringify({ line, block, aborted }));
