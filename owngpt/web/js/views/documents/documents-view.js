/** Documents: all vector stores, one with its files, or what stands in a file, as the address says. */
import { documentView } from "./document-view.js";
import { storeView } from "./store-view.js";
import { storesView } from "./stores-view.js";

/** @param {import("../../types.js").Place} place @param {string} [store] @param {string} [file] */
export function documents(place, store, file) {
  if (file) return documentView(place, store, file);
  return store ? storeView(place, store) : storesView(place);
}
