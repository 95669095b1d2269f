/** Keys in text areas and on the page. */

/**
 * Enter sends and Shift+Enter breaks the line. The Enter that accepts a candidate of an input method sends nothing;
 * Safari reports it after the composition, with key code 229. On a touch keyboard, Enter breaks the line.
 */
export function sendsOnEnter(textarea, send) {
  textarea.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || isTouch()) return;
    event.preventDefault();
    send();
  });
}

/** Lets a text area grow with its text; the style sheet sets the limit. */
export function growsWithText(textarea) {
  const fit = () => {
    textarea.style.height = "auto";
    textarea.style.height = `${textarea.scrollHeight}px`;
  };
  textarea.addEventListener("input", fit);
  return fit;
}

export function isTouch() {
  return matchMedia("(pointer: coarse)").matches;
}

export function isMac() {
  return /Mac|iPhone|iPad/.test(navigator.platform);
}
