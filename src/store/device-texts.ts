import { setImmediate as breathe } from 'node:timers/promises';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { fixedHex, keys } from './medium.ts';
import type { Device } from './model.ts';
import type { Rows } from './rows.ts';
import type { Store } from './store.ts';

/**
 * Finds devices by a part of what they are called. A device has more than a hundred parts of three characters: to write an index
 * of them would cost many times what a first boot writes. So the texts are looked through, which is quick while they lie in memory
 * behind each other. They are read at the first search, piece by piece of the key ids, and follow what is written from then on.
 * What is beyond limits.store.searchedText is read again for each search.
 */
export class DeviceTexts {
  private readonly rows: Rows;
  private readonly most: number;
  private readonly pieces = new Map<string, Piece>();
  /** Characters of all pieces. */
  private held = 0;

  /** @param most characters that are kept */
  constructor(rows: Rows, most: number = limits.store.searchedText) {
    this.rows = rows;
    this.most = most;
  }

  async find({ text, after = '', limit }: Parameters<Store['keyIdsByText']>[0]): Promise<readonly Uuid[]> {
    const part = text.toLowerCase();
    const found: Uuid[] = [];
    // No text goes on behind its end.
    if (part.includes(lineEnd) || part.includes(textEnd)) return found;
    let searched = 0;
    for (const beginning of beginnings) {
      if (found.length >= limit) break;
      if (beginning < beginningOf(after)) continue;
      const lines = await this.linesOf(beginning);
      for (const keyId of keyIdsWith(part, lines)) {
        if (found.length >= limit) break;
        if (keyId > after) found.push(keyId);
      }
      searched += lines.length;
      if (searched < limits.store.searchStretch) continue;
      searched = 0;
      await breathe();
    }
    return found;
  }

  /** To be called when devices have been written. */
  written(devices: readonly Device[]): void {
    for (const device of devices) {
      const beginning = beginningOf(device.keyId);
      const piece = this.pieces.get(beginning);
      if (!piece) continue;
      piece.changed.set(device.keyId, lineOf(device));
      if (piece.read && piece.changed.size >= limits.store.searchChanges) this.bringUp(beginning, piece);
    }
  }

  /** To be called when a write of devices has failed: what is there of them has to be read. */
  doubted(devices: readonly Device[]): void {
    for (const { keyId } of devices) this.drop(beginningOf(keyId));
  }

  private async linesOf(beginning: string): Promise<string> {
    const piece = this.pieces.get(beginning) ?? this.begin(beginning);
    if (!piece.read) await piece.reading;
    return this.bringUp(beginning, piece);
  }

  /** What is written while it is read is noted beside it. */
  private begin(beginning: string): Piece {
    const piece: Piece = { lines: '', changed: new Map(), read: false, reading: Promise.resolve() };
    piece.reading = this.read(beginning).then(
      (lines) => {
        piece.lines = lines;
        piece.read = true;
        if (this.pieces.get(beginning) === piece) this.held += lines.length;
      },
      (error: unknown) => {
        this.drop(beginning);
        throw error;
      },
    );
    this.pieces.set(beginning, piece);
    return piece;
  }

  private async read(beginning: string): Promise<string> {
    const lines: string[] = [];
    // No digit of an id is behind the tilde.
    for await (const page of this.rows.pages({ after: keys.device(beginning), before: keys.device(`${beginning}~`) })) {
      for (const [, row] of page) lines.push(lineOf(JSON.parse(row) as Device));
    }
    return lines.join(lineEnd);
  }

  /** @returns its lines, with what has changed */
  private bringUp(beginning: string, piece: Piece): string {
    const before = piece.lines.length;
    if (piece.changed.size > 0) {
      const old = piece.lines.split(lineEnd).filter((line) => line !== '' && !piece.changed.has(keyIdAt(line, 0)));
      piece.lines = [...old, ...piece.changed.values()].sort().join(lineEnd);
      piece.changed.clear();
    }
    if (this.pieces.get(beginning) === piece) {
      this.held += piece.lines.length - before;
      if (this.held > this.most) this.drop(beginning);
    }
    return piece.lines;
  }

  private drop(beginning: string): void {
    const piece = this.pieces.get(beginning);
    if (piece?.read) this.held -= piece.lines.length;
    this.pieces.delete(beginning);
  }
}

/** What a device is searched by: key id, device id, subject, serial number of its manufacturer certificate, last address. */
const textsOf = ({ keyId, deviceId, manufacturer, lastPeer }: Device): readonly string[] =>
  [keyId, deviceId, manufacturer.subject, manufacturer.serial, lastPeer].filter((text) => text !== undefined);

/** @param part in lower case */
export const deviceHasText = (device: Device, part: string): boolean =>
  textsOf(device).some((text) => text.toLowerCase().includes(part));

/** Devices whose key ids begin alike. */
interface Piece {
  /** Of each device, in order of key id. */
  lines: string;
  /** Lines of devices that have changed since, by key id. */
  readonly changed: Map<Uuid, string>;
  read: boolean;
  reading: Promise<void>;
}

const textEnd = '\n';
const lineEnd = '\0';

/** Begins with the key id, which is the first of the texts. */
const lineOf = (device: Device): string =>
  textsOf(device)
    .map((text) => text.toLowerCase().replace(/[\n\0]/g, ' '))
    .join(textEnd);

const keyIdAt = (lines: string, start: number): Uuid => lines.slice(start, endOf(lines, textEnd, start));

/** Of the devices on whose lines a text stands. */
function* keyIdsWith(part: string, lines: string): Generator<Uuid> {
  for (let at = lines.indexOf(part); at >= 0 && at < lines.length; ) {
    yield keyIdAt(lines, at === 0 ? 0 : lines.lastIndexOf(lineEnd, at - 1) + 1);
    at = lines.indexOf(part, endOf(lines, lineEnd, at) + 1);
  }
}

function endOf(lines: string, mark: string, from: number): number {
  const end = lines.indexOf(mark, from);
  return end < 0 ? lines.length : end;
}

const beginningOf = (keyId: string): string => keyId.slice(0, 2);

const beginnings = Array.from({ length: 256 }, (_, n) => fixedHex(n, 2));
