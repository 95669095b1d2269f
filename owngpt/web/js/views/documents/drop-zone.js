/** Where files are dropped or chosen, several at once, with how far each upload is. */
import { ApiError } from "../../api.js";
import { t } from "../../i18n.js";
import { h, icon } from "../dom.js";
import { errorText } from "../message-view.js";
import { field } from "../parts.js";
import { toast } from "../toast.js";

const AT_ONCE = 3;

/**
 * @param {import("../../types.js").Place} place
 * @param {string} store where the files go
 * @param {() => void} onadded whenever one has got there
 */
export function dropZone(place, store, onadded) {
  const uploads = h("ul", { class: "uploads", "aria-live": "polite" });
  const readers = h("input", { autocomplete: "off", spellcheck: "false", placeholder: "user:ID, group:ID" });
  const chooser = h("input", { type: "file", multiple: true, class: "visually-hidden" });
  const zone = h("label", { class: "drop-zone" }, icon("up"), h("span", {}, t("drop.title")), h("small", {}, t("drop.kinds")), chooser);
  const queue = new Uploads(place, store, uploads, onadded);
  const take = (files) => queue.add([...files], readers.value.trim());
  chooser.addEventListener("change", () => (take(chooser.files), (chooser.value = "")));
  acceptsDrops(zone, take);
  const who = h("details", { class: "more" }, h("summary", {}, t("drop.readers")), field(t("drop.readers_label"), readers, t("drop.readers_hint")));
  return h("div", { class: "stack" }, zone, who, uploads);
}

function acceptsDrops(zone, take) {
  const mark = (isOver) => zone.classList.toggle("is-over", isOver);
  zone.addEventListener("dragover", (event) => (event.preventDefault(), mark(true)));
  zone.addEventListener("dragleave", () => mark(false));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    take(event.dataTransfer.files);
  });
}

/** Files on their way, a few at once. They go on when another place is opened; the browser asks before it stops them. */
class Uploads {
  #waiting = [];
  #numRunning = 0;
  #warn = (event) => event.preventDefault();

  constructor(place, store, list, onadded) {
    Object.assign(this, { place, store, list, onadded });
  }

  add(files, readers) {
    for (const file of files) {
      const bar = h("progress", { "aria-label": file.name });
      const line = h("li", {}, h("span", {}, file.name), bar);
      this.list.append(line);
      this.#waiting.push({ file, readers, bar, line });
    }
    this.#start();
  }

  #start() {
    const isBusy = this.#numRunning > 0 || this.#waiting.length > 0;
    (isBusy ? addEventListener : removeEventListener)("beforeunload", this.#warn);
    while (this.#numRunning < AT_ONCE && this.#waiting.length) {
      this.#numRunning++;
      this.#run(this.#waiting.shift()).finally(() => (this.#numRunning--, this.#start()));
    }
  }

  async #run({ file, readers, bar, line }) {
    const onprogress = (done, total) => Object.assign(bar, { max: total, value: done });
    try {
      await this.place.library.add(this.store, file, { readers, onprogress });
      line.remove();
      if (!this.place.signal.aborted) this.onadded();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.place.signal.aborted) toast(`${file.name}: ${errorText(error)}`);
      const dismiss = h("button", { type: "button", class: "button quiet", onclick: () => line.remove() }, t("dialog.close"));
      line.replaceChildren(h("span", {}, file.name), h("p", { class: "problem", role: "alert" }, errorText(error)), dismiss);
    }
  }
}
