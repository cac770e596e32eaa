import { inspect } from 'node:util';

const redacted = '[secret]';

/**
 * A value that must not be printed: tokens, pre-shared keys, private keys. Redacted by type, not by the
 * name of the field that holds it: it shows itself to no log, JSON or template string. `reveal()` is the only way in.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
