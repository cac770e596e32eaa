import { applyPolicy } from './config/apply.ts';
import type { Timers } from './core/clock.ts';
import type { InFlight } from './core/in-flight.ts';
import type { Log } from './core/log.ts';
import type { RandomSource } from './core/random.ts';
import { createOcfDialect } from './dialects/ocf/dialect.ts';
import type { Authority } from './pki/issuer.ts';
import { PolicySource } from './provision/policy.ts';
import type { AllocationSource, EntryListener, TokenSource } from './provision/ports.ts';
import { createProvisioner, type Provisioner } from './provision/session.ts';
import type { Identity, SecureContext } from './secure/association.ts';
import { createSecureContext } from './secure/engine.ts';
import { serveDevices } from './serving.ts';
import type { Actor, EnrollmentGroup, Hub } from './store/model.ts';
import type { Store } from './store/store.ts';
import { Alarm } from './transport/alarm.ts';
import type { SessionOwner } from './transport/session.ts';
import { keepTidy } from './upkeep.ts';

/** What a service is made of, wherever it listens. */
export interface CompositionOptions {
  readonly store: Store;
  /** What the service shows to devices. */
  readonly identity: Identity;
  /** Signs what devices get. */
  readonly authority: Authority;
  /** The policy: written into the store in place of what was written so before; groups and hubs of operators stay. */
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
  /** Where it is written, for the audit log. Default: in a program. */
  readonly policyFrom?: PolicyFrom;
  readonly tokens: TokenSource;
  /** For groups whose hubs a webhook allocates. */
  readonly allocation?: AllocationSource;
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

export interface PolicyFrom {
  /** File or folder. */
  readonly name: string;
  /** Host. */
  readonly host: string;
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
  const { store, authority, tokens, allocation, timers, random, log, onEntry, inFlight } = options;
  await loadPolicy(options);
  const policy = await PolicySource.load(store, log);
  const provisioner = createProvisioner({
    store,
    policy,
    authority,
    tokens,
    random,
    log,
    ...(allocation && { allocation }),
    ...(onEntry && { onEntry }),
  });
  await provisioner.restore(timers.now());
  const sweep = new Alarm(timers, (now) => {
    provisioner.handleTimeout(now);
    return provisioner.nextTimeout();
  });
  const stopUpkeep = keepTidy({ store, timers, log, ...(inFlight && { inFlight }) });
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
      await stopUpkeep();
      await provisioner.sweep(timers.now());
    },
  };
}

async function loadPolicy({ store, groups, hubs, timers, log, policyFrom }: CompositionOptions): Promise<void> {
  const { name, host } = policyFrom ?? { name: 'program', host: 'localhost' };
  const actor: Actor = { kind: 'file', name, from: host };
  const { effects } = await applyPolicy({ store, now: () => timers.now(), actor }, { groups, hubs });
  for (const effect of effects) log.info({ policy: name }, effect);
  const known = new Set((await store.hubs.list()).map(({ id }) => id));
  for (const group of await store.groups.list()) {
    const [missing] = group.hubs.filter((id) => !known.has(id));
    if (missing !== undefined) log.warn({ group: group.name, hub: missing }, 'a group names a hub that is not there');
  }
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
      ...(psk.byName.size > 0 && { psk: 'lookup' }),
      alpn: 'coap',
      mtu,
      clock,
      threads: clock === 'system' ? 'when-busy' : false,
    });
  };
  return { datagram: keep('datagram'), stream: keep('stream') };
}
