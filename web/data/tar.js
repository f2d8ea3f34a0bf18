// A folder as a tar that is made on the fly: its parts are the files themselves, which are read when they are sent.

const BLOCK = 512;
const encoder = new TextEncoder();

/**
 * @typedef {object} NamedFile
 * @property {string} path with `/` between its parts
 * @property {File} file
 */

/**
 * The tar of the files, in the order of their paths.
 * @param {NamedFile[]} files
 */
export function tarOf(files) {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const parts = sorted.flatMap(({ path, file }) => [...headers(path, file.size), file, padding(file.size)]);
  return new Blob([...parts, new Uint8Array(2 * BLOCK)]);
}

/**
 * The header of a file; a path that it cannot hold stands in a pax header before it.
 * @param {string} path
 * @param {number} size
 */
function headers(path, size) {
  const name = encoder.encode(path);
  // A character beyond ASCII takes more than one byte, and only a pax header says that it is UTF-8.
  if (name.length <= 100 && name.length === path.length) return [header(name, size, "0")];
  const records = encoder.encode(record("path", path));
  return [
    header(encoder.encode("././@PaxHeader"), records.length, "x"),
    records,
    padding(records.length),
    header(name.slice(0, 100), size, "0"),
  ];
}

/**
 * A pax record: its length in bytes, itself included, then the key and the value.
 * @param {string} key
 * @param {string} value
 */
function record(key, value) {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/**
 * @param {Uint8Array} name at most 100 bytes
 * @param {number} size
 * @param {string} type 0: a file; x: a pax header
 */
function header(name, size, type) {
  const block = new Uint8Array(BLOCK);
  const write = (/** @type {number} */ at, /** @type {string} */ text) => block.set(encoder.encode(text), at);
  block.set(name, 0);
  write(100, "0000644\0");
  write(108, "0000000\0");
  write(116, "0000000\0");
  write(124, `${size.toString(8).padStart(11, "0")}\0`);
  write(136, "00000000000\0");
  write(148, " ".repeat(8)); // the checksum counts as blanks in itself
  write(156, type);
  write(257, "ustar\0" + "00");
  const sum = block.reduce((total, byte) => total + byte, 0);
  write(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** @param {number} size */
function padding(size) {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
