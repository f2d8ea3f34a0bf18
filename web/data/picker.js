// The images of a new job: a folder or an archive is dropped or chosen, and uploaded; or one is taken that is there.

/** @import { UploadedDataset } from "../api/types.js" */
/** @import { NamedFile } from "./tar.js" */

import { describeError, request } from "../api/request.js";
import { upload } from "../api/uploads.js";
import { fieldValue, h, meter, replace } from "../view/dom.js";
import { bytes, percent, plural } from "../view/format.js";
import { chosenFiles, droppedFiles } from "./files.js";
import { tarOf } from "./tar.js";

const ARCHIVE = /\.(zip|tar|tgz|tar\.gz|parquet|csv|jsonl?|npz)$/i;

export class DataPicker {
  /**
   * @param {(dataset: UploadedDataset) => void} take is called with the dataset that the job is to use
   * @param {AbortSignal} signal ends the page
   */
  constructor(take, signal) {
    this.take = take;
    this.pageSignal = signal;
    this.status = h("div", { role: "status" });
    this.earlier = h("div", {});
    this.zone = h(
      "div",
      {
        class: "drop",
        dragover: (event) => this.#hover(event, true),
        dragleave: (event) => this.#hover(event, false),
        drop: (event) => this.#onDrop(/** @type {DragEvent} */ (event)),
      },
      h("p", {}, "Drop a folder with one subfolder for each class here, or an archive of it."),
      h("div", { class: "actions" }, this.#chooser("Choose a folder", true), this.#chooser("Choose an archive", false)),
    );
    this.element = h("section", { class: "panel" }, h("h2", {}, "Images"), this.zone, this.status, this.earlier);
    this.#listEarlier();
  }

  /**
   * A button that opens the file dialog.
   * @param {string} label
   * @param {boolean} isFolder
   */
  #chooser(label, isFolder) {
    const change = () => this.#send(chosenFiles(field));
    const field = h("input", { type: "file", hidden: true, webkitdirectory: isFolder, "aria-label": label, change });
    return [h("button", { type: "button", click: () => field.click() }, label), field];
  }

  /**
   * @param {Event} event
   * @param {boolean} isOver
   */
  #hover(event, isOver) {
    event.preventDefault();
    this.zone.classList.toggle("over", isOver);
  }

  /** @param {DragEvent} event */
  async #onDrop(event) {
    this.#hover(event, false);
    if (event.dataTransfer) this.#send(await droppedFiles(event.dataTransfer));
  }

  /** @param {NamedFile[]} files */
  async #send(files) {
    if (!files.length) {
      replace(this.status, h("p", { class: "fault" }, "There are no files in it."));
      return;
    }
    const [{ path, file }] = files;
    const isArchive = files.length === 1 && ARCHIVE.test(file.name);
    const name = isArchive ? file.name : path.split("/")[0];
    const content = isArchive ? file : tarOf(belowOneFolder(files));
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.pageSignal]);
    const began = performance.now();
    const onProgress = (/** @type {number} */ sent) =>
      this.#showProgress(`${name}, ${plural(files.length, "file")}`, sent, content.size, began, stop);
    onProgress(0);
    try {
      const filename = isArchive ? file.name : `${name}.tar`;
      this.#use(await upload({ content, filename, name, onProgress, signal }));
      await this.#listEarlier();
    } catch (error) {
      if (this.pageSignal.aborted) return;
      const told = stop.signal.aborted ? "The upload was stopped." : describeError(error);
      replace(this.status, h("p", { class: "fault" }, told));
    }
  }

  /**
   * @param {string} what
   * @param {number} sent
   * @param {number} size
   * @param {number} began
   * @param {AbortController} stop
   */
  #showProgress(what, sent, size, began, stop) {
    const left = sent ? ((performance.now() - began) / 1000 / sent) * (size - sent) : null;
    const time = left === null ? "" : `, ${Math.ceil(left)} s left`;
    replace(
      this.status,
      h("p", {}, `Uploading ${what}: ${percent(sent / size, 0)} of ${bytes(size)}${time}`),
      meter(sent / size, "upload"),
      h("button", { type: "button", class: "quiet small", "data-key": "stop", click: () => stop.abort() }, "Stop"),
    );
  }

  /** @param {UploadedDataset} dataset */
  #use(dataset) {
    const told = `${dataset.name} is uploaded (${bytes(dataset.size_bytes)}). The job uses it.`;
    replace(this.status, h("p", { class: "quiet-text" }, told));
    this.take(dataset);
  }

  async #listEarlier() {
    const page = await request("/v1/datasets", { signal: this.pageSignal }).catch(() => null);
    /** @type {UploadedDataset[]} */
    const ready = (page?.data?.data ?? []).filter((/** @type {UploadedDataset} */ one) => one.state === "ready");
    if (!ready.length) return;
    const change = (/** @type {Event} */ event) => {
      const chosen = ready.find((one) => one.id === fieldValue(event));
      if (chosen) this.#use(chosen);
    };
    const options = ready.map((one) => h("option", { value: one.id }, `${one.name} (${bytes(one.size_bytes)})`));
    const choice = h("select", { change, "data-key": "earlier" }, h("option", { value: "" }, "choose…"), options);
    replace(this.earlier, h("label", {}, "or images that were uploaded before: ", choice));
  }
}

/**
 * The files with their paths below the folder that holds them all; as they are where several folders were dropped.
 * @param {NamedFile[]} files
 */
function belowOneFolder(files) {
  const folder = `${files[0].path.split("/")[0]}/`;
  if (!files.every(({ path }) => path.startsWith(folder))) return files;
  return files.map(({ path, file }) => ({ path: path.slice(folder.length), file }));
}
