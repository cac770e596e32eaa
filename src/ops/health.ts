import { days, type Millis, type Timers } from '../core/clock.ts';
import { describe, FirstbootError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Authority } from '../pki/issuer.ts';
import type { LevelStore } from '../store/level.ts';

/** Whether the service takes devices, and what is wrong. */
export interface Readiness {
  readonly ready: boolean;
  /** Why it does not take devices; or, when it does, what somebody should look at. */
  readonly reasons: readonly string[];
  /** The same in a word each, for those who may not know more: `reload-refused`. */
  readonly codes: readonly string[];
}

export interface HealthDeps {
  readonly authority: () => Authority;
  /** Of the certificate that devices are shown. */
  readonly identityEnds: () => Millis | undefined;
  readonly draining: () => boolean;
  readonly reloadFailure: () => string | undefined;
  /** Undefined: nobody looks whether it can be written. */
  readonly store: StoreHealth | undefined;
  readonly now: () => Millis;
}

export function readiness(deps: HealthDeps): Readiness {
  const now = deps.now();
  const ends = endsOf(deps);
  const fault = deps.store?.fault;
  const fatal: readonly Concern[] = [
    ...(deps.draining() ? [['draining', 'draining: the service is about to stop'] as const] : []),
    ...(fault === undefined ? [] : [['store', `the store cannot be written: ${fault}`] as const]),
    ...ends
      .filter(([, end]) => end <= now)
      .map(([kind]) => [`${codes[kind]}-expired`, `${names[kind]} has expired`] as const),
  ];
  const soon = ends
    .filter(([, end]) => end > now && end - now < limits.operations.endingSoon)
    .map(([kind, end]): Concern => {
      return [`${codes[kind]}-expires-soon`, `${names[kind]} expires in ${Math.floor((end - now) / days(1))} days`];
    });
  const failure = deps.reloadFailure();
  const refused: readonly Concern[] =
    failure === undefined ? [] : [['reload-refused', `the last reload was refused: ${failure}`]];
  const all = [...fatal, ...soon, ...refused];
  const words = all.map(([, text]) => text);
  return { ready: fatal.length === 0, reasons: words, codes: [...new Set(all.map(([code]) => code))] };
}

type Concern = readonly [code: string, text: string];

/** When what the service works with ends. */
export function endsOf({
  authority,
  identityEnds,
}: Pick<HealthDeps, 'authority' | 'identityEnds'>): readonly (readonly [CertificateKind, Millis])[] {
  const { root, issuing } = authority();
  const service = identityEnds();
  return [
    ['root', root.certificate.notAfter],
    ['issuing', issuing.certificate.notAfter],
    ...(service === undefined ? [] : [['service', service] as const]),
  ];
}

/** What metrics call it. */
export type CertificateKind = 'root' | 'issuing' | 'service';

const names: Readonly<Record<CertificateKind, string>> = {
  root: 'the root of the identity certificates',
  issuing: 'the authority that issues identity certificates',
  service: 'the certificate of the service',
};

const codes: Readonly<Record<CertificateKind, string>> = {
  root: 'authority',
  issuing: 'authority',
  service: 'certificate',
};

/** Whether the store can be written: it is tried again and again, for a quiet service writes nothing. */
export class StoreHealth {
  private readonly store: Pick<LevelStore, 'probe'>;
  private readonly timers: Timers;
  private cancel: () => void = () => undefined;
  private stopped = false;
  private present: string | undefined;
  private probing: Promise<void> = Promise.resolve();

  constructor(store: Pick<LevelStore, 'probe'>, timers: Timers) {
    this.store = store;
    this.timers = timers;
    this.probe();
  }

  /** Why the last write failed; undefined: it did not. */
  get fault(): string | undefined {
    return this.present;
  }

  private wrote(error: unknown): void {
    this.present = error === undefined ? undefined : error instanceof FirstbootError ? describe(error) : String(error);
  }

  private probe(): void {
    this.probing = this.store
      .probe()
      .then(
        () => this.wrote(undefined),
        (error: unknown) => this.wrote(error),
      )
      .then(() => {
        const next = this.timers.now() + limits.operations.storeProbe;
        if (!this.stopped) this.cancel = this.timers.schedule(next, () => this.probe());
      });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel();
    await this.probing;
  }
}
