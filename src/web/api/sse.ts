/** One event of a stream (WHATWG HTML, 9.2.6 "Interpreting an event stream"). */
export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

/** Cuts a stream of text, which comes in any pieces, into events. An event of more than `most` characters is dropped. */
export class EventReader {
  /** Of the last event, or of a block that is nothing but an id: where to go on from. */
  lastId: string | undefined;
  private readonly most: number;
  private rest = '';
  private size = 0;
  private id: string | undefined;
  private type = '';
  private data: string[] = [];

  constructor(most: number) {
    this.most = most;
  }

  read(text: string): readonly ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.rest + text).split('\n');
    this.rest = (lines.pop() ?? '').slice(0, this.most + 1);
    for (const ended of lines) {
      const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
      if (line !== '') {
        this.take(line);
        continue;
      }
      const { type, data, size } = this;
      if (data.length > 0 && size <= this.most) events.push({ type: type || 'message', data: data.join('\n') });
      if (this.id !== undefined) this.lastId = this.id;
      this.size = 0;
      this.type = '';
      this.data = [];
    }
    return events;
  }

  private take(line: string): void {
    this.size += line.length;
    if (this.size > this.most) return;
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'id') this.id = value;
    else if (name === 'event') this.type = value;
    else if (name === 'data') this.data.push(value);
  }
}
