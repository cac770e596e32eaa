import { createHash } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import type { Identity, SecureContext, SecureContextOptions, Trust } from '../secure/association.ts';
import { createSecureContext } from '../secure/engine.ts';
import { noTraffic, type Traffic } from '../transport/connection.ts';
import type { PathTraffic } from './site.ts';

/** Adds up what the sessions of one path have cost, those that are open and those that are over. */
export class PathLedger {
  private over: Traffic = noTraffic;
  private sessions = 0;
  private readonly sprayed = { bytes: 0, datagrams: 0 };
  private readonly open = new Set<{ readonly traffic: Traffic }>();

  opened(session: { readonly traffic: Traffic }): void {
    this.sessions++;
    this.open.add(session);
  }

  closed(session: { readonly traffic: Traffic }): void {
    if (this.open.delete(session)) this.over = sum(this.over, session.traffic);
  }

  /** Bytes that belong to no session. */
  sent(bytes: number): void {
    this.sprayed.bytes += bytes;
    this.sprayed.datagrams++;
  }

  get traffic(): PathTraffic {
    let total = this.over;
    for (const { traffic } of this.open) total = sum(total, traffic);
    const { bytes, datagrams } = this.sprayed;
    return {
      ...total,
      bytesOut: total.bytesOut + bytes,
      datagramsOut: total.datagramsOut + datagrams,
      sessions: this.sessions,
    };
  }
}

const sum = (a: Traffic, b: Traffic): Traffic => ({
  bytesIn: a.bytesIn + b.bytesIn,
  bytesOut: a.bytesOut + b.bytesOut,
  datagramsIn: a.datagramsIn + b.datagramsIn,
  datagramsOut: a.datagramsOut + b.datagramsOut,
  retransmissions: a.retransmissions + b.retransmissions,
});

/**
 * One trust for all who trust the same: parsing anchors is not free, and the devices of a fleet have the same ones. Bounded:
 * the oldest is forgotten.
 */
export class TrustKeeper {
  private readonly known = new Map<string, Trust>();

  /** The same settings as an object that is the same for everybody. */
  same(trust: Trust): Trust {
    const key = digestOf(trust);
    const found = this.known.get(key);
    if (found) return found;
    if (this.known.size >= keptTrusts) for (const oldest of this.known.keys()) if (this.known.delete(oldest)) break;
    this.known.set(key, trust);
    return trust;
  }
}

const keptTrusts = 1000;

function digestOf({ anchors, purpose, dates, tolerate = [], ...more }: Trust): string {
  const { intermediates = [], crls = [], fingerprints = [] } = more;
  const hash = createHash('sha256');
  for (const list of [anchors, intermediates, crls, fingerprints]) {
    hash.update(`${list.length}.`);
    for (const der of list) hash.update(`${der.length}.`).update(der);
  }
  return `${purpose} ${dates} ${tolerate.join()} ${hash.digest('base64')}`;
}

/** What a device's contexts differ in. */
export type DeviceContextOptions = Pick<SecureContextOptions, 'transport' | 'clock' | 'mtu'> & {
  readonly identity: Identity;
  readonly trust: Trust | undefined;
};

/**
 * The secure context of a device's latest session: one that is refused, or hears nothing, tries again and again with the
 * same. Once a session is up the next one will be another's, and an idle device should hold no memory for it.
 */
export class ContextKeeper {
  private kept: { readonly options: DeviceContextOptions; readonly context: SecureContext } | undefined;

  get(options: DeviceContextOptions): SecureContext {
    if (!this.kept || !sameOptions(this.kept.options, options)) this.kept = { options, context: make(options) };
    return this.kept.context;
  }

  /** Forgets it; a session that is open keeps its own. */
  clear(): void {
    this.kept = undefined;
  }
}

const make = ({ transport, identity, trust, clock = 'system', mtu }: DeviceContextOptions): SecureContext =>
  createSecureContext({
    transport,
    role: 'client',
    identity,
    ...(trust && { trust }),
    clock,
    ...(mtu !== undefined && { mtu }),
  });

const sameOptions = (a: DeviceContextOptions, b: DeviceContextOptions): boolean =>
  a.transport === b.transport &&
  a.trust === b.trust &&
  (a.identity === b.identity || sameChain(a.identity, b.identity));

/** The key belongs to the leaf. */
const sameChain = (a: Identity, b: Identity): boolean =>
  a.chain.length === b.chain.length &&
  a.chain.every((der, at) => {
    const other = b.chain[at];
    return other !== undefined && equalBytes(der, other);
  });
