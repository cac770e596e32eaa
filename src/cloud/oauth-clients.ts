import { createHash, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../core/secret.ts';

/** A client of the built-in issuer's token endpoint. */
export interface OauthClient {
  readonly id: string;
  readonly secret: Secret<string>;
}

/** The client that authenticates itself by a Basic header or in the form (RFC 6749 §2.3.1); undefined when none does. */
export function knownClient(
  clients: readonly OauthClient[],
  authorization: string | undefined,
  form: URLSearchParams,
): OauthClient | undefined {
  const given = fromHeader(authorization) ?? {
    id: form.get('client_id') ?? '',
    secret: form.get('client_secret') ?? '',
  };
  const client = clients.find(({ id }) => id === given.id);
  // Compares with something even for an unknown client, so that both take the same time.
  const equal = sameText(given.secret, client?.secret.reveal() ?? given.id);
  return client && equal ? client : undefined;
}

function fromHeader(authorization: string | undefined): { id: string; secret: string } | undefined {
  const [scheme, encoded = ''] = (authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return { id: '', secret: '' };
  return { id: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) };
}

/** Both halves are form-encoded before they are joined (RFC 6749 §2.3.1). */
function formDecode(text: string): string {
  return new URLSearchParams(`v=${text}`).get('v') ?? '';
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
