import type { Timers } from './core/clock.ts';
import type { Uuid } from './core/ids.ts';
import type { InFlight } from './core/in-flight.ts';
import type { Log } from './core/log.ts';
import type { RandomSource } from './core/random.ts';
import { createOcfDialect } from './dialects/ocf/dialect.ts';
import type { Authority } from './pki/issuer.ts';
import { PolicySource } from './provision/policy.ts';
import type { EntryListener, TokenSource } from './provision/ports.ts';
import { createProvisioner, type Provisioner } from './provision/session.ts';
import type { Identity, SecureContext } from './secure/association.ts';
import { createSecureContext } from './secure/engine.ts';
import { serveDevices } from './serving.ts';
import type { EnrollmentGroup, Hub } from './store/model.ts';
import type { Store, Table } from './store/store.ts';
import { Alarm } from './transport/alarm.ts';
import type { SessionOwner } from './transport/session.ts';

/** What a service is made of, wherever it listens. */
export interface CompositionOptions {
  readonly store: Store;
  /** What the service shows to devices. */
  readonly identity: Identity;
  /** Signs what devices get. */
  readonly authority: Authority;
  /** The policy: written into the store, in place of whatever groups and hubs are there from an earlier one. */
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
  readonly tokens: TokenSource;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
  readonly onEntry?: EntryListener;
  /** Largest UDP payload that is sent, bytes. */
  readonly mtu: number;
  /** `simulated`: on a stepped clock, with every handshake on this thread so that a run can be repeated. */
  readonly clock: 'system' | 'simulated';
  /** Counts what sessions have begun; default: one of its own. */
  readonly inFlight?: InFlight;
}

/** A service without a way in: transports hand their sessions to `owner`. */
export interface Composition {
  readonly provisioner: Provisioner;
  readonly owner: SessionOwner;
  /** For each new peer: made again when the policy's trust has changed. */
  readonly contexts: Readonly<Record<'datagram' | 'stream', () => SecureContext>>;
  /** Resolves when everything that sessions have begun is recorded. */
  idle(): Promise<void>;
  /** Once no session is open any more: writes what is left to write. */
  stop(): Promise<void>;
}

/** Joins store, policy, pipeline and dialect. @throws FirstbootError service.store, service.config */
export async function composeService(options: CompositionOptions): Promise<Composition> {
  const { store, authority, tokens, timers, random, log, onEntry, inFlight } = options;
  await replaceAll(store.hubs, options.hubs);
  await replaceAll(store.groups, options.groups);
  const policy = await PolicySource.load(store, log);
  const provisioner = createProvisioner({
    store,
    policy,
    authority,
    tokens,
    random,
    log,
    ...(onEntry && { onEntry }),
  });
  await provisioner.restore(timers.now());
  const sweep = new Alarm(timers, (now) => {
    provisioner.handleTimeout(now);
    return provisioner.nextTimeout();
  });
  const serving = serveDevices({
    provisioner,
    dialect: createOcfDialect({ log }),
    timers,
    log,
    settled: () => sweep.set(provisioner.nextTimeout()),
    ...(inFlight && { inFlight }),
  });
  return {
    provisioner,
    owner: serving.owner,
    contexts: deviceContexts(options, policy),
    idle: () => serving.idle(),
    stop: async () => {
      sweep.stop();
      await provisioner.sweep(timers.now());
    },
  };
}

async function replaceAll<T extends { readonly id: Uuid }>(table: Table<T>, rows: readonly T[]): Promise<void> {
  for (const row of rows) await table.put(row);
  for (const { id } of await table.list()) if (!rows.some((row) => row.id === id)) await table.delete(id);
}

/** One context a transport, made again when the policy's trust has changed: contexts themselves never change. */
function deviceContexts(
  { identity, mtu, clock }: CompositionOptions,
  policy: PolicySource,
): Record<'datagram' | 'stream', () => SecureContext> {
  const keep = (transport: 'datagram' | 'stream'): (() => SecureContext) => {
    let madeFrom = policy.current;
    let context = make(transport);
    return () => {
      if (madeFrom !== policy.current) {
        madeFrom = policy.current;
        context = make(transport);
      }
      return context;
    };
  };
  const make = (transport: 'datagram' | 'stream'): SecureContext => {
    const { trust, psk } = policy.current;
    return createSecureContext({
      transport,
      role: 'server',
      identity,
      trust: { ...trust, purpose: 'client' },
      peerCertificate: 'require',
      ...(psk.size > 0 && { psk: 'lookup' }),
      alpn: 'coap',
      mtu,
      clock,
      threads: clock === 'system' ? 'when-busy' : false,
    });
  };
  return { datagram: keep('datagram'), stream: keep('stream') };
}
