import type { KeyObject } from 'node:crypto';
import { parseCoapUri } from '../coap/uri.ts';
import type { CborMap } from '../codec/cbor.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided } from '../core/errors.ts';
import { spkiOf } from '../pki/public-key.ts';
import { readAcls } from './acls.ts';
import { type CloudConfiguration, readCloud, readOwner, readRedirect, readTime } from './answers.ts';
import { readCredentials } from './credentials.ts';
import { type CloudState, type DeviceState, outdated, selectedGateway, staleTag } from './state.ts';
import type { RunMode, Step } from './steps.ts';

/** What an answer makes of the state. */
export interface Applied {
  readonly state: DeviceState;
  /** The answer names another service for the steps that follow. */
  readonly redirected: boolean;
}

export interface Circumstances {
  /** The device's own clock. */
  readonly now: Millis;
  /** ms that a credential must still be valid for. */
  readonly expiring: Millis;
  /** A renewal leaves the access control list alone. */
  readonly mode: RunMode;
  /** The device's own key. */
  readonly key: KeyObject;
}

/** The state after a step's answer: as a whole, or a refusal that leaves everything as it was. */
export function applyAnswer(
  step: Step,
  map: CborMap,
  state: DeviceState,
  { now, expiring, mode, key }: Circumstances,
): Decision<Applied> {
  switch (step) {
    case 'time': {
      const time = readTime(map);
      return time.ok ? kept({ ...state, clockOffset: time.value - now }) : time;
    }
    case 'ownership': {
      const owner = readOwner(map, state.deviceId);
      return owner.ok ? kept(ownedBy(state, owner.value)) : owner;
    }
    case 'cloud': {
      const configuration = readCloud(map);
      if (!configuration.ok) return configuration;
      return redirected(map, configuredFor(state, configuration.value));
    }
    case 'credentials': {
      const time = now + (state.clockOffset ?? 0);
      const publicKey = spkiOf(key);
      const credentials = readCredentials(map, { deviceId: state.deviceId, publicKey, time, expiring });
      if (!credentials.ok) return credentials;
      const fresh = { ...state, credentials: credentials.value };
      return redirected(map, mode === 'provision' ? outdated(fresh, 'acl') : fresh);
    }
    case 'acls': {
      const acl = readAcls(map);
      if (!acl.ok) return acl;
      const { superseded: _superseded, ...rest } = state;
      return redirected(map, { ...rest, acl: acl.value });
    }
  }
}

/** What an earlier owner gave does not hold for a new one (plgd-device b2); its cloud is known until the next step. */
function ownedBy(state: DeviceState, owner: string): DeviceState {
  if (state.owner === owner) return state;
  const { credentials: _credentials, acl: _acl, cloud, ...rest } = state;
  return { ...rest, owner, ...(cloud && { cloud: { ...cloud, tag: staleTag } }) };
}

/** With another hub, the credentials and the access control list of the one before are superseded. */
function configuredFor(state: DeviceState, configuration: CloudConfiguration): DeviceState {
  const configured = { ...state, cloud: cloudState(state.cloud, configuration) };
  return isOtherHub(state, configured) ? outdated(configured, 'acl and credentials') : configured;
}

/** Whether two states of a device that has a cloud are at two hubs. */
export const isOtherHub = (before: DeviceState, after: DeviceState): boolean =>
  before.cloud !== undefined && after.cloud !== undefined && hubOf(before.cloud) !== hubOf(after.cloud);

const hubOf = (cloud: CloudState): string | undefined => selectedGateway(cloud)?.id;

/** The same gateway, provider and hub that the device is signed up at: it stays so, unless that was for an earlier owner. */
function cloudState(
  before: CloudState | undefined,
  { provider, accessToken, gateways, payload }: CloudConfiguration,
): CloudState {
  const [first] = gateways;
  const known = before?.gateways.some(({ uri, id }) => uri === first.uri && id === first.id);
  const same = known && before?.provider === provider && hubOf(before) === first.id;
  const registration = same && before.tag !== staleTag ? before.registration : undefined;
  return {
    ...{ provider, accessToken, gateways, selected: 0 },
    ...(registration && { registration }),
    ...(payload && { payload }),
  };
}

/** The state at another gateway of the same list. Another hub means signing up anew, with its own credentials and list. */
export function atGateway(state: DeviceState, selected: number): DeviceState {
  if (!state.cloud) return state;
  const moved = { ...state, cloud: { ...state.cloud, selected } };
  if (!isOtherHub(state, moved)) return moved;
  const { registration: _registration, ...cloud } = moved.cloud;
  return outdated({ ...moved, cloud }, 'acl and credentials');
}

/** The gateway in use is reached at another address, as its hub has told at sign-up. */
export function atAddress(cloud: CloudState, uri: string): CloudState {
  const gateways = cloud.gateways.map((gateway, at) => (at === cloud.selected ? { ...gateway, uri } : gateway));
  return { ...cloud, gateways };
}

/** `redirecturi`: the new service takes the place of the one in use. The rest of the answer counts all the same. */
function redirected(map: CborMap, state: DeviceState): Decision<Applied> {
  const uri = readRedirect(map);
  if (uri === undefined) return kept(state);
  const parsed = parseCoapUri(uri);
  return parsed.ok ? decided({ state: atService(state, uri), redirected: true }) : parsed;
}

function atService(state: DeviceState, uri: string): DeviceState {
  const others = state.endpoints.filter((endpoint, at) => at !== state.selected && endpoint.uri !== uri);
  return { ...state, endpoints: [...others, { uri }], selected: others.length };
}

/** A redirect in the ownership answer is obeyed although the answer is refused for it (plgd-device d). */
export function redirectedOwnership(map: CborMap, state: DeviceState): DeviceState | undefined {
  const uri = readRedirect(map);
  return uri !== undefined && parseCoapUri(uri).ok ? atService(state, uri) : undefined;
}

const kept = (state: DeviceState): Decision<Applied> => decided({ state, redirected: false });
