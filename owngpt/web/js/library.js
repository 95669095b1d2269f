/** Vector stores, their files, and what stands in them. Knows the API, and no DOM. */

export class Library {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.api = api;
  }

  stores(signal) {
    return this.api.all("vector_stores", {}, signal);
  }

  store(id, signal) {
    return this.api.get(path(id), {}, signal);
  }

  createStore(name) {
    return this.api.post("vector_stores", { name });
  }

  renameStore(id, name) {
    return this.api.post(path(id), { name });
  }

  deleteStore(id) {
    return this.api.delete(path(id));
  }

  /** One page of a store's files, the newest first; `after` is the last file of the page before. */
  files(id, after, limit, signal) {
    return this.api.get(`${path(id)}/files`, { after, limit }, signal);
  }

  file(id, file, signal) {
    return this.api.get(path(id, file), {}, signal);
  }

  /** Uploads a file and puts it into a store, where it waits to be read. */
  async add(id, file, options) {
    const { id: uploaded } = await this.api.upload(file, options);
    return this.api.post(`${path(id)}/files`, { file_id: uploaded });
  }

  /** Takes a file out of a store and leaves it to others. */
  removeFile(id, file) {
    return this.api.delete(path(id, file));
  }

  /** Deletes a file, with its bytes, from all stores. */
  deleteFile(file) {
    return this.api.delete(`files/${encodeURIComponent(file)}`);
  }

  /** The store, of these, that holds a file; what is found is remembered by nobody. */
  async storeOf(ids, file, signal) {
    for (const id of ids) {
      const found = await this.file(id, file, signal).catch((error) => {
        if (error.status !== 404) throw error;
        return null;
      });
      if (found) return id;
    }
    return null;
  }

  /**
   * One page of a file as text, with `start`, `end` (characters of the document), `page` and `num_pages`; all of its
   * text, with `page` null, where it has no pages.
   */
  async page(id, file, number, signal) {
    if (number !== null) return this.api.get(`${path(id, file)}/pages/${number}`, {}, signal);
    const { data } = await this.api.get(`${path(id, file)}/content`, {}, signal);
    return { ...data[0], num_pages: 0 };
  }

  /** The first page, or all of a file that has no pages. */
  firstPage(id, file, signal) {
    return this.page(id, file, 1, signal).catch((error) => {
      if (error.status !== 404) throw error;
      return this.page(id, file, null, signal);
    });
  }

  /** PNG of a page of a PDF, with `mark.start` to `mark.end` marked in it. */
  picture(id, file, number, mark, signal) {
    const query = { format: "png", ...(mark && { start: mark.start, end: mark.end }) };
    return this.api.picture(`${path(id, file)}/pages/${number}`, query, signal);
  }
}

function path(store, file = null) {
  const root = `vector_stores/${encodeURIComponent(store)}`;
  return file === null ? root : `${root}/files/${encodeURIComponent(file)}`;
}
