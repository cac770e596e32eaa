/** What JSON can hold, unchanged. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/**
 * Written JSON in which a terminal finds nothing to act on: the same value, with the controls of 8 bits and the marks that turn
 * the direction of text escaped (JSON escapes those of 7 bits by itself, but for DEL).
 */
export const terminalJson = (json: string): string =>
  json.replace(
    /[\u007f-\u009f\p{Bidi_Control}]/gu,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Whether it is a mapping of names to values: neither null nor a list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface JsonObject {
  readonly [key: string]: JsonValue;
}
