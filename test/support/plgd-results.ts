import { expect } from 'vitest';
import type { ApiClient, CallOptions } from './api.ts';

/** Below which plgd's paths are, as an ApiClient writes it. */
export const plgdPrefix = '//device-provisioning-service/api/v1';

/** As a caller asks who wants fields that are not set as well. */
export const protojson: CallOptions = { headers: { accept: 'application/protojson' } };

/** What a stream of results holds. */
// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
export async function results(client: ApiClient, path: string, options: CallOptions = {}): Promise<any[]> {
  const { status, text } = await client.get(path, options);
  expect(status, text).toBe(200);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).result);
}
