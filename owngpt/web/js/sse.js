/** Server-sent events from a fetch body. Knows the event-stream format, nothing of what the data means. */

/**
 * The `data` of each event, in order. Lines may end in LF, CR or CRLF and be cut anywhere by the network.
 * An event that the end of the stream cuts off is dropped, as the HTML standard says (9.2.6).
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string>}
 */
export async function* readEvents(body) {
  let data = [];
  for await (const line of readLines(body)) {
    if (line === "") {
      if (data.length) yield data.join("\n");
      data = [];
    } else if (line.startsWith("data:")) {
      data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  }
}

/** @param {ReadableStream<Uint8Array>} body */
async function* readLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      // A CR at the very end may be the first half of a CRLF: it stays until more arrives.
      const lines = buffer.split(/\r\n|\n|\r(?!$)/);
      buffer = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    await reader.cancel().catch(() => {}); // already failed or aborted: nothing is left to release
  }
}
