/** One record of a CSV text, at the line (from 1) where it begins: its fields, or what is wrong with one of them. */
export type CsvRecord =
  | { readonly line: number; readonly fields: readonly string[] }
  | { readonly line: number; readonly fault: CsvFault };

interface CsvFault {
  /** Which field, from 1. */
  readonly field: number;
  readonly expected: string;
}

/**
 * Reads CSV (RFC 4180 §2) piece by piece: records end with CRLF, LF, CR or the end of the text; a field in double quotes
 * may hold commas, line breaks and doubled quotes. A byte order mark in front and empty lines are passed over. Strict: a
 * quote inside a bare field, or text behind a closing quote, is a fault, and reading goes on behind the next line break.
 */
export class CsvReader {
  private readonly longest: number;
  private state: 'start' | 'bare' | 'quoted' | 'closed' | 'skipping' = 'start';
  private fields: string[] = [];
  private field = '';
  private characters = 0;
  private line = 1;
  private began = 1;
  private atBeginning = true;
  private afterReturn = false;
  private complete: CsvRecord[] = [];

  /** @param longest characters of one record; a longer one is a fault, so that memory stays bounded. */
  constructor(longest: number) {
    this.longest = longest;
  }

  /** The records that are complete with this piece, however the text is cut into pieces. */
  push(piece: string): readonly CsvRecord[] {
    const marked = this.atBeginning && piece.startsWith('\ufeff');
    if (piece.length > 0) this.atBeginning = false;
    for (let at = marked ? 1 : 0; at < piece.length; at++) this.take(piece.charAt(at));
    return this.taken();
  }

  /** The last record, if the text does not end with a line break. */
  end(): readonly CsvRecord[] {
    if (this.state === 'quoted') this.refuse('a closing quote before the end of the file');
    this.endRecord();
    return this.taken();
  }

  private take(character: string): void {
    const isBreak = character === '\n' || character === '\r';
    const breaks = isBreak && !(this.afterReturn && character === '\n');
    this.afterReturn = character === '\r';
    if (breaks) this.line++;
    if (isBreak && this.state !== 'quoted') {
      if (breaks) this.endRecord();
      return;
    }
    if (this.state === 'quoted') this.takeQuoted(character);
    else if (this.state !== 'skipping') this.takeBare(character);
    if (this.state !== 'skipping' && ++this.characters > this.longest) {
      this.refuse(`a record of at most ${this.longest} characters`);
    }
  }

  private takeQuoted(character: string): void {
    if (character === '"') this.state = 'closed';
    else this.field += character;
  }

  private takeBare(character: string): void {
    if (character === ',') this.endField();
    else if (character === '"') this.takeQuote();
    else if (this.state === 'closed') this.refuse('a comma or the end of the line after a closing quote');
    else {
      this.state = 'bare';
      this.field += character;
    }
  }

  private takeQuote(): void {
    if (this.state === 'bare') this.refuse('quotes around the whole field, and quotes inside it doubled');
    else {
      if (this.state === 'closed') this.field += '"';
      this.state = 'quoted';
    }
  }

  private endField(): void {
    this.fields.push(this.field);
    this.field = '';
    this.state = 'start';
  }

  private endRecord(): void {
    const empty = this.state === 'start' && this.fields.length === 0;
    if (this.state !== 'skipping' && !empty) {
      this.endField();
      this.complete.push({ line: this.began, fields: this.fields });
    }
    this.state = 'start';
    this.fields = [];
    this.field = '';
    this.characters = 0;
    this.began = this.line;
  }

  private refuse(expected: string): void {
    this.complete.push({ line: this.began, fault: { field: this.fields.length + 1, expected } });
    this.state = 'skipping';
    this.fields = [];
    this.field = '';
  }

  private taken(): readonly CsvRecord[] {
    const records = this.complete;
    this.complete = [];
    return records;
  }
}
