import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorTable } from '../../../src/core/errors.ts';
import { chainCorpus } from '../../support/corpus-chains.ts';
import { csrCorpus } from '../../support/corpus-csrs.ts';
import { doorCorpus } from '../../support/corpus-doors.ts';
import { policyCorpus } from '../../support/corpus-policy.ts';
import { requestCorpus } from '../../support/corpus-requests.ts';

const id = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
const chains = chainCorpus(Date.UTC(2026, 10, 21));
const [device] = chains.cases;
const cases = [
  ...chains.cases,
  ...csrCorpus(id),
  ...requestCorpus(id, id, id),
  ...policyCorpus,
  ...(device ? doorCorpus(device, new Uint8Array()) : []),
];
const broken = cases.filter(({ expected }) => expected !== 'accepted');

/** Codes that no device can provoke at the door or with a request, and the test that does: it has the code, or these words. */
const elsewhere: Partial<Record<ErrorCode, string | readonly [file: string, words: string]>> = {
  'confirm.unknown-device': 'unit/provision/stages.test.ts',
  'session.broken': 'scenario/provisioning-session.test.ts',
  'session.abandoned': 'scenario/provisioning-session.test.ts',
  'cloud.certificate': 'unit/cloud/gateway.test.ts',
  'cloud.token': 'unit/cloud/gateway.test.ts',
  'cloud.device-id': 'unit/cloud/gateway.test.ts',
  'cloud.not-signed-in': 'unit/cloud/gateway.test.ts',
  'request.too-large': 'unit/cloud/issuer-server.test.ts',
  'request.access': ['unit/device/resources.test.ts', 'ends with 4.01 when the right to read is taken away'],
  'der.malformed': 'unit/codec/der.test.ts',
  'pem.malformed': ['unit/codec/pem.test.ts', 'refuses more than ten blocks'],
  'service.busy': 'unit/store/commit.test.ts',
  'service.store': 'unit/store/level.test.ts',
  'service.internal': 'unit/provision/stages.test.ts',
  'service.engine': 'unit/secure/engine-missing.test.ts',
  'service.config': 'unit/dialects/ocf.test.ts',
  'service.answer-too-large': ['scenario/revoked-credentials.test.ts', 'answer-too-large: '],
  'service.backup': 'scenario/backup-failures.test.ts',
  'service.address-in-use': 'unit/cloud/issuer-server.test.ts',
  'operator.not-found': 'unit/operator/find.test.ts',
  'operator.ambiguous': 'unit/operator/find.test.ts',
  'operator.conflict': 'unit/operator/hubs.test.ts',
  'operator.file-managed': 'unit/operator/hubs.test.ts',
  'operator.input': 'unit/operator/find.test.ts',
  'operator.audit': ['unit/operator/audit.test.ts', 'verifyAudit'],
  'api.unauthenticated': 'scenario/api-refusals.test.ts',
  'api.forbidden': 'scenario/api-refusals.test.ts',
  'api.precondition': 'unit/operator/revisions.test.ts',
  'api.idempotency': 'scenario/api-repetition.test.ts',
  'api.in-progress': 'scenario/api-repetition.test.ts',
  'api.too-many': 'unit/api/failed-sign-ins.test.ts',
  'api.unreachable': 'unit/cli/api-client.test.ts',
  'command.usage': 'scenario/cli-help.test.ts',
  'command.file': 'scenario/cli-explain.test.ts',
  'device.protocol': 'scenario/device-answers.test.ts',
  'device.unreachable': 'scenario/cli-serve.test.ts',
  'device.handshake': 'scenario/device-impostors.test.ts',
  'device.timeout': 'scenario/device-simulator.test.ts',
  'device.state': 'unit/device/client.test.ts',
};

describe('the corpus', () => {
  it('has at least 60 broken chains, certificate requests and requests, each by a name of its own', () => {
    expect(broken.length).toBeGreaterThanOrEqual(60);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    for (const { why } of cases) expect(why).toMatch(/\w+/);
  });

  it('has every code that a device or a policy can bring about', () => {
    const provoked = new Set<string>(broken.map(({ expected }) => expected));
    const missing = (Object.keys(errorTable) as ErrorCode[]).filter(
      (code) => !provoked.has(code) && elsewhere[code] === undefined,
    );
    expect(missing).toEqual([]);
    expect(Object.keys(elsewhere).filter((code) => provoked.has(code))).toEqual([]);
  });

  it.each(Object.entries(elsewhere))('%s is brought about elsewhere: %s', (code, place) => {
    const [file, words] = typeof place === 'string' ? [place, code] : place;
    expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).toContain(words);
  });
});
