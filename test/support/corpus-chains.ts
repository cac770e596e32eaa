import type { Millis } from '../../src/core/clock.ts';
import type { ChainBench, ChainCase } from './corpus-bench.ts';
import { addRuleCases } from './corpus-chain-rules.ts';
import { addSignerCases } from './corpus-chain-signers.ts';
import { corpusManufacturer } from './corpus-manufacturer.ts';
import * as forge from './forge.ts';
import { makeIdentities } from './identities.ts';

export interface ChainCorpus {
  readonly now: Millis;
  /** DER. */
  readonly anchors: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly cases: readonly ChainCase[];
}

/** Every broken chain that we have thought of, and the good ones beside them. One manufacturer, Acme, is registered. */
export function chainCorpus(now: Millis): ChainCorpus {
  const identities = makeIdentities(now);
  const acme = corpusManufacturer(identities);
  const cases: ChainCase[] = [];
  const add: ChainBench['add'] = (name, expected, why, device, issuers, more = {}) => {
    const chain = [device.der, ...issuers.map((one) => (one instanceof Uint8Array ? one : one.certificate.der))];
    cases.push({ name, expected, why, chain, privateKey: device.privateKey, ...more });
  };

  for (const [name, { chain, privateKey, expected, why }] of Object.entries(identities.named)) {
    const opensslDiffers = name === 'goodOcfUsageOnly' ? ocfOnly : undefined;
    const revocation = name === 'revoked';
    cases.push({ name, chain, privateKey, expected, why, revocation, ...(opensslDiffers && { opensslDiffers }) });
  }

  const leaf: ChainBench['leaf'] = (issuer, variation = {}) => forge.endEntity(issuer, 'Acme', now, variation);
  const bench: ChainBench = { now, acme, leaf, add };
  addSignerCases(bench);
  addRuleCases(bench);
  return {
    now,
    anchors: [acme.root.certificate.der, acme.old.root.certificate.der, acme.deep.certificate.der],
    intermediates: [acme.known.certificate.der],
    crls: acme.crls,
    cases,
  };
}

const ocfOnly = 'the program has no purpose that an OCF-only usage fits';
