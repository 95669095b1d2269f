/** Ask one's documents: where to look, how to answer, the answer, and beside it the page that a citation names. */
import { t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { h } from "../dom.js";
import { growsWithText, isTouch, sendsOnEnter } from "../keyboard.js";
import { button, field, hint, load, section, select } from "../parts.js";
import { nameOfStore } from "../documents/stores-view.js";
import { AnswerView } from "./answer-view.js";
import { SourceView } from "./source-view.js";

/** @param {import("../../types.js").Place} place */
export function ask(place) {
  const source = new SourceView(place);
  const answer = new AnswerView(place, (citation) => source.open(citation, place.asking.answer.stores));
  const left = h("div", { class: "ask-main stack" });
  load(place, left, () => place.library.stores(place.signal), (stores) => {
    if (stores.length) return [questionForm(place, stores, source), answer.element];
    return section(t("places.ask"), null, hint(t("ask.no_stores")), h("a", { class: "button", href: hashOf("documents") }, t("places.documents")));
  });
  return h("div", { class: "ask" }, left, source.element);
}

function questionForm(place, stores, source) {
  const { asking, session } = place;
  const known = stores.map(({ id }) => id);
  asking.stores = asking.stores?.filter((id) => known.includes(id)) ?? known.slice(0, 1);
  const area = h("textarea", { rows: "2", required: true, placeholder: t("ask.placeholder") });
  const mode = select([["quote", t("ask.mode_quote")], ["extract", t("ask.mode_extract")]], asking.mode, { name: "mode" });
  const models = select(session.models.map(({ id }) => [id, id]), asking.model ?? session.conversation.model ?? undefined, { name: "model" });
  const send = () => {
    if (asking.isBusy || !area.value.trim() || !asking.stores.length) return;
    Object.assign(asking, { mode: mode.value, model: models.value || null });
    source.close();
    asking.ask(area.value.trim());
  };
  area.value = asking.question;
  growsWithText(area);
  sendsOnEnter(area, send);
  if (!isTouch()) queueMicrotask(() => area.focus());
  const choice = session.models.length > 1 ? field(t("header.model"), models) : null;
  const fields = h("div", { class: "filters" }, field(t("ask.mode"), mode), choice, buttons(place));
  const onsubmit = (event) => (event.preventDefault(), send());
  return h("form", { class: "stack", onsubmit }, field(t("ask.question"), area), storeChoice(asking, stores), fields);
}

function storeChoice(asking, stores) {
  const boxes = stores.map((store) => {
    const onchange = ({ target }) => (asking.stores = [...asking.stores.filter((id) => id !== store.id), ...(target.checked ? [store.id] : [])]);
    const box = h("input", { type: "checkbox", checked: asking.stores.includes(store.id), onchange });
    return h("label", { class: "check" }, box, h("span", {}, nameOfStore(store)));
  });
  return h("fieldset", { class: "choices" }, h("legend", {}, t("ask.stores")), ...boxes);
}

function buttons({ asking, signal }) {
  const send = h("button", { type: "submit", class: "button primary" }, t("ask.send"));
  const stop = button(t("composer.stop"), () => asking.stop());
  const update = () => (([send.hidden, stop.hidden] = [asking.isBusy, !asking.isBusy]), undefined);
  asking.addEventListener("change", update, { signal });
  update();
  return h("div", { class: "buttons" }, send, stop);
}
