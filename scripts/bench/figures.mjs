// From many measurements to the few figures that a report shows, and how it shows them.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What `share` of the values are not above; undefined: there are none. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export const median = (values) => quantile(values, 0.5);

export const mebibytes = (bytes, digits = 1) => `${(bytes / 2 ** 20).toFixed(digits)} MiB`;

/** Of all files below a folder. */
export function bytesUnder(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  // A file of the store may go while it is looked at.
  const size = (path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return files.reduce((total, { parentPath, name }) => total + size(join(parentPath, name)), 0);
}

/** Rows of texts as lines whose columns stand below each other, the first to the left; `numbers`: the others to the right. */
export function aligned(rows, { numbers = false } = {}) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const cell = (text, column) => (numbers && column > 0 ? text.padStart(widths[column]) : text.padEnd(widths[column]));
  return rows.map((cells) => cells.map(cell).join('  ').trimEnd());
}
