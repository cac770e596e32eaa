import { equalBytes } from './core/bytes.ts';
import { systemStopwatch, type Timers } from './core/clock.ts';
import type { InFlight } from './core/in-flight.ts';
import type { Log } from './core/log.ts';
import type { RandomSource } from './core/random.ts';
import { createOcfDialect } from './dialects/ocf/dialect.ts';
import { applyPolicy } from './operator/apply-policy.ts';
import { logAttempts } from './ops/attempt-lines.ts';
import { fingerprint } from './pki/certificate.ts';
import type { Authority, AuthoritySource } from './pki/issuer.ts';
import { compilePolicy, type Policy, PolicySource } from './provision/policy.ts';
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

/** What can be replaced while the service runs. */
export interface Material {
  readonly identity: Identity;
  readonly authority: Authority;
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
}

/** A service without a way in: transports hand their sessions to `owner`. */
export interface Composition {
  readonly provisioner: Provisioner;
  readonly owner: SessionOwner;
  /** For each new peer: made again when the policy's trust has changed. */
  readonly contexts: Readonly<Record<'datagram' | 'stream', () => SecureContext>>;
  /** The authority that signs now. */
  readonly authority: AuthoritySource;
  /** What the service shows to new sessions. */
  readonly identity: () => Identity;
  /**
   * Puts other material in place of what is there: what is open goes on, and what begins takes the new. All of it is judged
   * before anything changes.
   * @returns what has changed, a line each
   * @throws FirstbootError service.config, service.engine, operator.conflict, service.store; the old material stays then
   */
  replace(material: Material): Promise<readonly string[]>;
  /** Resolves when everything that sessions have begun is recorded. */
  idle(): Promise<void>;
  /** Once no session is open any more: writes what is left to write. */
  stop(): Promise<void>;
}

/** Joins store, policy, pipeline and dialect. @throws FirstbootError service.store, service.config */
export async function composeService(options: CompositionOptions): Promise<Composition> {
  const { store, tokens, allocation, timers, random, log, onEntry, inFlight } = options;
  await loadPolicy(options, options);
  const policy = await PolicySource.load(store, log);
  const present = { authority: options.authority, identity: options.identity };
  const authority: AuthoritySource = {
    get current() {
      return present.authority;
    },
  };
  const provisioner = createProvisioner({
    store,
    policy,
    authority,
    tokens,
    random,
    log,
    stopwatch: options.clock === 'simulated' ? () => timers.now() : systemStopwatch,
    ...(allocation && { allocation }),
    onEntry: allOf(logAttempts(log), onEntry),
  });
  await provisioner.restore(timers.now());
  const sweep = new Alarm(timers, (now) => {
    provisioner.handleTimeout(now);
    return provisioner.nextTimeout();
  });
  // What an earlier process left open ends in its time, whether or not anybody comes.
  sweep.set(provisioner.nextTimeout());
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
    contexts: deviceContexts(options, () => present.identity, policy),
    authority,
    identity: () => present.identity,
    replace: async (material) => {
      await judge(options, material);
      const effects = await loadPolicy(options, material);
      await policy.refresh();
      return [...effects, ...swap(present, material)];
    },
    idle: () => serving.idle(),
    stop: async () => {
      sweep.stop();
      await stopUpkeep();
      await provisioner.sweep(timers.now());
    },
  };
}

async function loadPolicy(
  { store, timers, log, policyFrom }: CompositionOptions,
  { groups, hubs }: Pick<Material, 'groups' | 'hubs'>,
): Promise<readonly string[]> {
  const { name, host } = policyFrom ?? { name: 'program', host: 'localhost' };
  const actor: Actor = { kind: 'file', name, from: host };
  const { effects } = await applyPolicy({ store, now: () => timers.now(), actor }, { groups, hubs });
  for (const effect of effects) log.info({ policy: name }, effect);
  const known = new Set((await store.hubs.list()).map(({ id }) => id));
  for (const group of await store.groups.list()) {
    const [missing] = group.hubs.filter((id) => !known.has(id));
    if (missing !== undefined) log.warn({ group: group.name, hub: missing }, 'a group names a hub that is not there');
  }
  return effects;
}

/** One context a transport, made again when the policy's trust has changed: contexts themselves never change. */
function deviceContexts(
  options: CompositionOptions,
  identity: () => Identity,
  policy: PolicySource,
): Record<'datagram' | 'stream', () => SecureContext> {
  const keep = (transport: 'datagram' | 'stream'): (() => SecureContext) => {
    let [shown, rules] = [identity(), policy.current];
    let context = deviceContext(options, transport, shown, rules);
    return () => {
      if (rules !== policy.current || shown !== identity()) {
        [shown, rules] = [identity(), policy.current];
        context = deviceContext(options, transport, shown, rules);
      }
      return context;
    };
  };
  return { datagram: keep('datagram'), stream: keep('stream') };
}

/** @throws FirstbootError service.config, service.engine: OpenSSL does not take a key or a certificate */
function deviceContext(
  { mtu, clock }: CompositionOptions,
  transport: 'datagram' | 'stream',
  identity: Identity,
  { trust, psk }: Policy,
): SecureContext {
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
}

/** Whether sessions can be opened by this material, and by the policy that there will be. */
async function judge(options: CompositionOptions, { identity, groups, hubs }: Material): Promise<void> {
  const others = (await options.store.groups.list()).filter(({ source }) => source !== 'file');
  const policy = compilePolicy([...others, ...groups], hubs, options.log, await options.store.crls.list());
  for (const transport of ['datagram', 'stream'] as const) deviceContext(options, transport, identity, policy);
}

/** @returns what is another one now */
function swap(present: { identity: Identity; authority: Authority }, { identity, authority }: Material): string[] {
  const before = { ...present };
  present.identity = identity;
  present.authority = authority;
  const [leaf] = identity.chain;
  const sameLeaf = leaf && before.identity.chain[0] && equalBytes(leaf, before.identity.chain[0]);
  const issuing = authority.issuing.certificate;
  const sameIssuing = equalBytes(issuing.der, before.authority.issuing.certificate.der);
  const anchors = (of: Authority): string => of.trustAnchors.map(fingerprint).join();
  return [
    ...(sameLeaf ? [] : ['the service shows another certificate']),
    ...(sameIssuing ? [] : [`${issuing.subject.text} signs identity certificates from now on`]),
    ...(anchors(authority) === anchors(before.authority) ? [] : ['devices get other trust anchors']),
  ];
}

const allOf =
  (...listeners: readonly (EntryListener | undefined)[]): EntryListener =>
  (...told) => {
    for (const listener of listeners) listener?.(...told);
  };
