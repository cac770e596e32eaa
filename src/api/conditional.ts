import { failure } from '../core/errors.ts';

/** The entity tag of a revision (RFC 9110 §8.8.3). */
export const etagOf = (revision: number): string => `"${revision}"`;

/**
 * The revision that an If-Match names; undefined: there is none, or it is `*`, which fits whatever is there.
 * @throws FirstbootError request.malformed when it is no entity tag of ours
 */
export function readIfMatch(header: string | undefined): number | undefined {
  const text = header?.trim();
  if (text === undefined || text === '*') return undefined;
  const [, revision] = /^"(\d{1,15})"$/.exec(text) ?? [];
  if (revision !== undefined) return Number(revision);
  throw failure('request.malformed', { at: 'header.if-match' }, 'send the one ETag that the thing was read with, or *');
}

/** Whether an If-None-Match has the tag (weak comparison, RFC 9110 §13.1.2). */
export const noneMatchHas = (header: string | undefined, etag: string): boolean =>
  (header ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
    .some((tag) => tag === '*' || tag === etag);
