// The files of what was dropped or chosen, with their paths below the folder. Hidden files are left out.

/** @import { NamedFile } from "./tar.js" */

/**
 * What was dropped: one archive, or the files of folders.
 * @param {DataTransfer} transfer
 * @returns {Promise<NamedFile[]>}
 */
export async function droppedFiles(transfer) {
  // The entries must be taken before the first await: afterwards the browser forgets them.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const found = await Promise.all(entries.map((entry) => filesOf(entry)));
  return visible(found.flat());
}

/**
 * What a file field has chosen.
 * @param {HTMLInputElement} field
 */
export function chosenFiles(field) {
  const files = [...(field.files ?? [])];
  return visible(files.map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<NamedFile[]>}
 */
async function filesOf(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise((/** @type {(file: File) => void} */ resolve, reject) =>
      /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
    );
    return [{ path, file }];
  }
  const children = await childrenOf(/** @type {FileSystemDirectoryEntry} */ (entry));
  return (await Promise.all(children.map((child) => filesOf(child)))).flat();
}

/**
 * A reader gives at most a hundred entries at once.
 * @param {FileSystemDirectoryEntry} folder
 */
async function childrenOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    const some = await new Promise((/** @type {(entries: FileSystemEntry[]) => void} */ resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (!some.length) return all;
    all.push(...some);
  }
}

/** @param {NamedFile[]} files */
function visible(files) {
  return files.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".")));
}
