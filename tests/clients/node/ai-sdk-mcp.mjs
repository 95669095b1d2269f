// Vercel's AI SDK with an MCP server that the API hosts: MCP_URL says where it is.
import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, isStepCount, streamText } from 'ai';

const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey, MCP_URL: serverUrl } = process.env;
const official = createOpenAI({ baseURL, apiKey });
const mcp = (requireApproval) =>
  official.tools.mcp({ serverLabel: 'calc', serverUrl, serverDescription: 'Adds.', requireApproval });
const ask = { model: official.responses('fake'), prompt: '1 + 2?', maxRetries: 0, stopWhen: isStepCount(3) };

const whole = await generateText({ ...ask, tools: { mcp: mcp('never') } });
assert.equal(whole.text, 'It is 3.');
assert.equal(whole.toolCalls[0].toolName, 'mcp.add');
assert.equal(whole.toolResults[0].output.output, '3');

const streamed = streamText({ ...ask, tools: { mcp: mcp('never') } });
await streamed.consumeStream();
assert.equal(await streamed.text, 'It is 3.');

const asking = await generateText({ ...ask, tools: { mcp: mcp('always') } });
const request = asking.content.find((part) => part.type === 'tool-approval-request');
assert.deepEqual(request.toolCall.toolName, 'mcp.add');
const messages = [
  { role: 'user', content: ask.prompt },
  ...asking.response.messages,
  { role: 'tool', content: [{ type: 'tool-approval-response', approvalId: request.approvalId, approved: true, providerExecuted: true }] },
];
const { prompt, ...rest } = ask;
const approved = await generateText({ ...rest, messages, tools: { mcp: mcp('always') } });
assert.equal(approved.text, 'It is 3.');
console.log(JSON.stringify({ calls: 3 }));
