/**
 * Markdown to DOM, safely: `marked` parses, HTML of the model is shown as text, DOMPurify has the last word.
 * Pictures are not loaded, since their address may carry the conversation away; they become links.
 */
import { Marked } from "../vendor/marked.js";
import DOMPurify from "../vendor/dompurify.js";

const ALLOWED_TAGS = [
  ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code"],
  ...["em", "strong", "del", "a", "table", "thead", "tbody", "tr", "th", "td"],
];
const POLICY = {
  ALLOWED_TAGS,
  ALLOWED_ATTR: ["href", "title", "start", "align", "class"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * CommonMark does not close `**` between Japanese punctuation and a letter (`**「例」**は`), as models often write it.
 * This reads such pairs as strong, in one line, code spans kept whole.
 */
const CJK_STRONG = {
  name: "cjkStrong",
  level: "inline",
  start: (source) => source.indexOf("**"),
  tokenizer(source) {
    const match = /^\*\*(?![\s*])((?:`[^`\n]*`|\*(?!\*)|[^*`\n])+?)(?<!\s)\*\*(?!\*)/.exec(source);
    return match && { type: "strong", raw: match[0], text: match[1], tokens: this.lexer.inlineTokens(match[1]) };
  },
};

const marked = new Marked({
  gfm: true,
  breaks: false,
  extensions: [CJK_STRONG],
  renderer: {
    html: ({ text }) => escapeHtml(text),
    heading({ tokens, depth }) {
      const level = Math.min(depth + 2, 6); // the page has h1, each message h2
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    image({ href, text }) {
      return `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`;
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

/** The top-level blocks of `text`; `key` is equal as long as a block would look the same. */
export function parseBlocks(text) {
  const tokens = marked.lexer(text);
  const numLinks = Object.keys(tokens.links).length; // a late link definition changes earlier blocks
  return tokens
    .filter(({ type }) => type !== "space" && type !== "def")
    .map((token) => ({ key: `${numLinks} ${token.raw}`, token }));
}

/** @returns {DocumentFragment} one block, clean */
export function renderBlock({ token }) {
  const fragment = DOMPurify.sanitize(marked.parser([token]), POLICY);
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  return fragment;
}

function escapeHtml(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => names[character]);
}
