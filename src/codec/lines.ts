/** One line of a text, from 1, without its end; `text` is undefined when it is longer than it may be. */
export interface TextLine {
  readonly line: number;
  readonly text: string | undefined;
}

/** Splits a text that comes in pieces into lines (LF or CRLF). A byte order mark in front is passed over. */
export class LineReader {
  private readonly longest: number;
  private rest = '';
  private line = 1;
  private tooLong = false;
  private atBeginning = true;

  /** @param longest characters of one line; a longer one is passed over, so that memory stays bounded. */
  constructor(longest: number) {
    this.longest = longest;
  }

  /** The lines that are complete with this piece, however the text is cut into pieces. */
  push(piece: string): readonly TextLine[] {
    const marked = this.atBeginning && piece.startsWith('\ufeff');
    if (piece.length > 0) this.atBeginning = false;
    const parts = (marked ? piece.slice(1) : piece).split('\n');
    const last = parts.pop() ?? '';
    const lines = parts.map((part) => {
      this.add(part);
      return this.ended();
    });
    this.add(last);
    return lines;
  }

  /** The last line, if the text does not end with a line break. */
  end(): readonly TextLine[] {
    return this.rest === '' && !this.tooLong ? [] : [this.ended()];
  }

  private add(part: string): void {
    this.tooLong ||= this.rest.length + part.length > this.longest;
    this.rest = this.tooLong ? '' : this.rest + part;
  }

  private ended(): TextLine {
    const text = this.rest.endsWith('\r') ? this.rest.slice(0, -1) : this.rest;
    const ended = { line: this.line++, text: this.tooLong ? undefined : text };
    this.rest = '';
    this.tooLong = false;
    return ended;
  }
}
