import { type Decision, decided, refused } from '../core/errors.ts';

/** Where a CoAP server listens. Only the secured schemes: firstboot does not speak in the clear. */
export interface CoapUri {
  readonly scheme: 'coaps' | 'coaps+tcp';
  readonly host: string;
  readonly port: number;
}

/** RFC 7252 §6.2 and RFC 8323 §8.2: both secured schemes default to 5684. */
const defaultPort = 5684;

/** Parses `coaps://host[:port]` or `coaps+tcp://host[:port]`; IPv6 literals in brackets. */
export function parseCoapUri(text: string): Decision<CoapUri> {
  const match = /^(coaps|coaps\+tcp):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/.exec(text);
  const [, scheme, host = '', port] = match ?? [];
  const number = port === undefined ? defaultPort : Number(port);
  if (!match || number < 1 || number > 65_535) {
    return refused('service.config', { uri: text }, 'write coaps://host:port or coaps+tcp://host:port');
  }
  return decided({
    scheme: scheme === 'coaps' ? 'coaps' : 'coaps+tcp',
    host: host.replace(/^\[|\]$/g, ''),
    port: number,
  });
}

export function formatCoapUri({ scheme, host, port }: CoapUri): string {
  return `${scheme}://${formatHostPort(host, port)}`;
}

/** `host:port`, an IPv6 address in brackets (RFC 3986 §3.2.2). */
export const formatHostPort = (host: string, port: number): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
