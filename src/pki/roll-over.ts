import { oids } from '../codec/oid.ts';
import { toHex } from '../core/bytes.ts';
import { failure } from '../core/errors.ts';
import type { Authority, Issuer } from './issuer.ts';
import { parsePublicKey, subjectKeyIdOf } from './public-key.ts';

/** All that an authority's folder holds: the present authority, and what comes or goes. */
export interface AuthorityState {
  readonly root: Issuer;
  readonly issuing: Issuer;
  /** A root that is delivered already and does not sign yet. */
  readonly next: Issuer | undefined;
  /** The root before, delivered still. */
  readonly previous: Issuer | undefined;
  /** Issuing authorities that sign revocation lists only, newest first. */
  readonly retired: readonly Issuer[];
}

/** The stages of a roll-over. An issuing authority has one; a root is announced, then signs, then its forerunner goes. */
export type RollOverStage = 'issuing' | 'announce' | 'switch' | 'retire';

/** The stage of a root's roll-over that comes next. */
export const nextRootStage = ({ next, previous }: AuthorityState): Exclude<RollOverStage, 'issuing'> =>
  next ? 'switch' : previous ? 'retire' : 'announce';

/** What the service works with. */
export const authorityOf = ({ root, issuing, next, previous, retired }: AuthorityState): Authority => ({
  root,
  issuing,
  chain: [issuing.certificate.der],
  trustAnchors: [root, next, previous].flatMap((issuer) => (issuer ? [issuer.certificate.der] : [])),
  issuers: [issuing, ...retired],
});

export interface IssuerMaker {
  /** A self-signed root with a new key. */
  readonly root: (name: AuthorityName) => Issuer;
  /** An issuing authority under `root` with a new key. */
  readonly issuing: (name: AuthorityName, root: Issuer) => Issuer;
}

export interface AuthorityName {
  readonly organization: string;
  readonly commonName: string;
}

/**
 * The state after a stage. Successors have a name of their own (`Root CA G2`), so that no path building has to guess.
 * @throws FirstbootError operator.conflict when it is not this stage's turn
 */
export function rolledOver(state: AuthorityState, stage: RollOverStage, make: IssuerMaker): AuthorityState {
  const { root, issuing, next, previous, retired } = state;
  switch (stage) {
    case 'issuing':
      return { ...state, issuing: make.issuing(successorOf(issuing), root), retired: [issuing, ...retired] };
    case 'announce':
      if (next) throw outOfTurn(stage, next, 'switch to the root that is announced');
      if (previous) throw outOfTurn(stage, previous, 'retire the root before first');
      return { ...state, next: make.root(successorOf(root)) };
    case 'switch':
      if (!next) throw outOfTurn(stage, root, 'announce a new root first, so that devices know it');
      return {
        root: next,
        issuing: make.issuing(successorOf(issuing), next),
        next: undefined,
        previous: root,
        retired: [issuing, ...retired],
      };
    case 'retire':
      if (!previous) throw outOfTurn(stage, root, 'there is one root only: announce its successor first');
      return { ...state, previous: undefined };
  }
}

/** The key id of an authority, hex: what its certificates name as their authorityKeyIdentifier. */
export function keyIdOf({ certificate }: Pick<Issuer, 'certificate'>): string {
  return toHex(certificate.subjectKeyId ?? subjectKeyIdOf(parsePublicKey(certificate.spki).key));
}

const outOfTurn = (stage: RollOverStage, { certificate }: Issuer, fix: string): Error =>
  failure('operator.conflict', { stage, authority: certificate.subject.text }, fix);

/** `Root CA` -> `Root CA G2` -> `Root CA G3`. */
function successorOf({ certificate }: Issuer): AuthorityName {
  const { rdns, commonName } = certificate.subject;
  const [, name = 'CA', generation = '1'] = /^(.*?)(?: G(\d+))?$/.exec(commonName ?? '') ?? [];
  const organization = rdns.flat().find(({ oid }) => oid === oids.organization)?.value ?? 'firstboot';
  return { organization, commonName: `${name} G${Number(generation) + 1}` };
}
