/** Citations in an answer's text, for showing it as Markdown with a mark behind each quote. No DOM. */

const [OPEN, CLOSE] = ["\uE000", "\uE001"]; // private characters; where a text has them, they are not shown
const MARK = /\uE000(\d+)\uE001/;

/**
 * The answer as Markdown: quotes are escaped, so that they show what they are, and a mark with the citation's number
 * stands where each one belongs.
 *
 * @param {string} text
 * @param {{index: number, quote: string}[]} citations
 */
export function withMarks(text, citations) {
  const letters = [...text.replaceAll(OPEN, "\uFFFD").replaceAll(CLOSE, "\uFFFD")]; // `index` counts code points
  const parts = [];
  let done = 0;
  citations.forEach(({ index, quote }, number) => {
    const before = letters.slice(done, index).join("");
    const at = before.lastIndexOf(quote);
    parts.push(at === -1 ? before : before.slice(0, at) + escaped(quote) + before.slice(at + quote.length), `${OPEN}${number}${CLOSE}`);
    done = Math.max(done, index);
  });
  return [...parts, letters.slice(done).join("")].join("");
}

/** @returns {{text: string, number: number | null}[]} a text cut at its marks */
export function splitAtMarks(text) {
  return text.split(new RegExp(MARK, "g")).map((part, index) => (index % 2 ? { text: "", number: Number(part) } : { text: part, number: null }));
}

function escaped(quote) {
  return quote.replace(/[!-/:-@[-`{-~]/g, "\\$&").replace(/\n\s*\n/g, "\n");
}
