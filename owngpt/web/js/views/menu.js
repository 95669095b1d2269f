/** A small menu beside a button, with arrow keys; the browser closes it on Escape and on clicks elsewhere. */
import { byId, h } from "./dom.js";

const GAP_PX = 4;

/** @param {HTMLElement} opener @param {import("../types.js").MenuItem[]} items */
export function openMenu(opener, items) {
  const menu = byId("menu");
  menu.replaceChildren(...items.map((item) => menuItem(menu, opener, item)));
  menu.showPopover();
  place(menu, opener.getBoundingClientRect());
  menu.firstElementChild.focus();
}

function menuItem(menu, opener, { label, run, isDanger = false }) {
  const onclick = () => {
    menu.hidePopover();
    opener.focus();
    run();
  };
  const onkeydown = (event) => moveFocus(event, [...menu.children]);
  return h("button", { type: "button", role: "menuitem", tabindex: "-1", class: isDanger ? "danger" : null, onclick, onkeydown }, label);
}

function moveFocus(event, items) {
  const index = items.indexOf(event.currentTarget);
  const target = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Tab") byId("menu").hidePopover();
  if (target === undefined) return;
  event.preventDefault();
  items.at(target % items.length).focus();
}

function place(menu, anchor) {
  const isBelow = anchor.bottom + GAP_PX + menu.offsetHeight < innerHeight;
  menu.style.top = `${isBelow ? anchor.bottom + GAP_PX : anchor.top - GAP_PX - menu.offsetHeight}px`;
  menu.style.left = `${Math.max(GAP_PX, Math.min(anchor.left, innerWidth - menu.offsetWidth - GAP_PX))}px`;
}
