import { encodePem } from '../../src/codec/pem.ts';
import { toBase64 } from '../../src/core/bytes.ts';
import { days, type Millis, minutes } from '../../src/core/clock.ts';
import { type ErrorCode, failure } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createRoot } from '../../src/pki/authority.ts';
import type { PeerEvidence, ProvisioningSession } from '../../src/provision/contract.ts';
import { x509Attestation } from '../../src/provision/group.ts';
import type { Device, EnrollmentGroup } from '../../src/store/model.ts';
import {
  deviceEvidence,
  type Pipeline,
  type PipelineOptions,
  provision,
  pskEvidence,
  testDevice,
  testIds,
  testStart,
} from './provisioning.ts';

/** A device that is refused for what the policy says of it, or for what the service lacks. */
export interface PolicyCase {
  readonly name: string;
  readonly expected: ErrorCode;
  readonly why: string;
  readonly options?: PipelineOptions;
  /** Makes it so that the device is refused. */
  readonly before?: (pipeline: Pipeline) => Promise<unknown>;
  /** What comes with the handshake; default: device 0 of the PKI. */
  readonly peer?: (pipeline: Pipeline) => PeerEvidence;
  /** The question that is refused; default: the time. */
  readonly ask?: (session: ProvisioningSession, now: Millis) => Promise<{ readonly ok: boolean }>;
  readonly now?: Millis;
}

const device = testDevice(31);
const cloud = (session: ProvisioningSession, now: Millis, deviceId = device.deviceId) =>
  session.cloud({ deviceId }, now);
const credentials = (session: ProvisioningSession, now: Millis) =>
  session.credentials({ deviceId: device.deviceId, csr: device.csr }, now);
const group = (changes: Partial<EnrollmentGroup>): PipelineOptions => ({ group: changes });

const provisioned = (pipeline: Pipeline): Promise<unknown> =>
  provision(pipeline, deviceEvidence(pipeline.pki), testDevice(32), testStart - minutes(1));

/** The device has been here, and somebody has changed its record since. */
const withRecord =
  (changes: Partial<Device>) =>
  async (pipeline: Pipeline): Promise<void> => {
    await provisioned(pipeline);
    const [record] = await pipeline.store.devices({ limit: 1 });
    if (record) await pipeline.store.putDevice({ ...record, ...changes });
  };

const psk = { identity: 'lamp-*', key: toBase64(new Uint8Array(16).fill(7)), derived: false };

export const policyCorpus: readonly PolicyCase[] = [
  {
    name: 'noGroup',
    expected: 'match.no-group',
    why: 'its manufacturer is not registered with any group',
    options: group({
      attestation: {
        x509: x509Attestation({
          anchors: [
            encodePem(
              'CERTIFICATE',
              createRoot('Other Root CA', { now: testStart - days(9), random: systemRandom, name: 'Other' }).certificate
                .der,
            ),
          ],
        }),
        psk: [],
        pins: [],
      },
    }),
  },
  {
    name: 'noCertificate',
    expected: 'attest.no-certificate',
    why: 'neither a certificate nor a key of its own',
    peer: ({ pki }) => ({ ...deviceEvidence(pki), chain: undefined }),
  },
  {
    name: 'unknownPsk',
    expected: 'attest.unknown-psk',
    why: 'an identity that no group has',
    peer: () => pskEvidence('lamp-1'),
  },
  {
    name: 'groupDisabled',
    expected: 'admit.group-disabled',
    why: 'the group is disabled',
    options: group({ enabled: false }),
  },
  {
    name: 'denied',
    expected: 'admit.denied',
    why: 'it is on the deny list',
    options: group({ deny: [{ by: 'subject', value: '*' }] }),
  },
  {
    name: 'notAllowed',
    expected: 'admit.not-allowed',
    why: 'others are on the allow list',
    options: group({ allow: [{ by: 'serial', value: 'abcd' }] }),
  },
  {
    name: 'pending',
    expected: 'admit.pending',
    why: 'nobody has approved it',
    options: group({ admission: 'manual' }),
  },
  {
    name: 'notPreauthorized',
    expected: 'admit.not-preauthorized',
    why: 'it is not on the list of those who may come',
    options: group({ admission: 'preauthorized' }),
  },
  {
    name: 'quarantined',
    expected: 'admit.quarantined',
    why: 'an alarm holds it',
    before: withRecord({ state: 'quarantined' }),
  },
  {
    name: 'disabled',
    expected: 'admit.disabled',
    why: 'an operator has disabled it',
    before: withRecord({ state: 'disabled' }),
  },
  {
    name: 'decommissioned',
    expected: 'admit.decommissioned',
    why: 'its life is over',
    before: withRecord({ state: 'decommissioned' }),
  },
  {
    name: 'tooManyNew',
    expected: 'admit.too-many-new',
    why: 'ever new identities come with one key',
    options: group({ attestation: { x509: undefined, psk: [psk], pins: [] } }),
    before: async ({ provisioner, group: { id } }) => {
      while (provisioner.policy.newcomers.take(id, testStart));
    },
    peer: () => pskEvidence('lamp-last'),
  },
  {
    name: 'neverAgain',
    expected: 'bind.reprovisioning',
    why: 'it was reset, and its group takes nobody a second time',
    options: group({ reprovisioning: 'never' }),
    before: provisioned,
    ask: cloud,
  },
  {
    name: 'otherId',
    expected: 'bind.device-id-policy',
    why: 'its id does not follow from its certificate',
    options: group({ deviceIds: { type: 'template', template: `\${cert.subject.cn}` } }),
    ask: cloud,
  },
  {
    name: 'tooManyIds',
    expected: 'bind.too-many-ids',
    why: 'it resets itself again and again',
    before: withRecord({ generation: limits.provision.resetBurst + 5000, createdAt: testStart }),
    ask: cloud,
  },
  {
    name: 'takenId',
    expected: 'bind.device-id-taken',
    why: 'another manufacturer key has this id',
    before: ({ store }) => store.claimDeviceId(device.deviceId, testIds.group),
    ask: cloud,
  },
  {
    name: 'reservedId',
    expected: 'bind.device-id-reserved',
    why: "its owner's id as its own",
    ask: (session, now) => cloud(session, now, testIds.owner),
  },
  {
    name: 'keyNotAllowed',
    expected: 'csr.key-not-allowed',
    why: 'its group takes P-384 only',
    options: group({ certificate: { keys: ['P-384'], life: days(90), usages: ['clientAuth'] } }),
    ask: credentials,
  },
  {
    name: 'issuerExpiring',
    expected: 'issue.issuer-expiring',
    why: 'the issuing authority is at its end',
    ask: credentials,
    now: testStart + days(15 * 365.25) - 1000,
  },
  {
    name: 'clockBeforeAuthority',
    expected: 'issue.lint',
    why: 'the clock of the service is behind the beginning of its own authority',
    ask: credentials,
    now: testStart - days(400),
  },
  {
    name: 'noHub',
    expected: 'configure.no-hub',
    why: 'the group names no hub',
    options: group({ hubs: [] }),
    ask: cloud,
  },
  {
    name: 'noToken',
    expected: 'configure.token',
    why: 'the authorization server gives nothing',
    options: {
      tokens: {
        accessToken: () =>
          Promise.reject(failure('configure.token', { status: 500 }, 'look at the authorization server')),
      },
    },
    ask: cloud,
  },
  {
    name: 'noAllocation',
    expected: 'configure.allocation',
    why: 'nobody answers for the webhook of the group',
    options: group({
      allocation: { type: 'webhook', url: 'http://127.0.0.1:1/', timeout: 1000, secretFile: undefined },
    }),
    ask: cloud,
  },
];
