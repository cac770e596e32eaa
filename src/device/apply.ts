import { createPrivateKey } from 'node:crypto';
import { parseCoapUri } from '../coap/uri.ts';
import type { CborMap } from '../codec/cbor.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided } from '../core/errors.ts';
import { spkiOf } from '../pki/public-key.ts';
import { readAcls } from './acls.ts';
import { type CloudConfiguration, readCloud, readOwner, readRedirect, readTime } from './answers.ts';
import { readCredentials } from './credentials.ts';
import { type CloudState, type DeviceState, selectedGateway } from './state.ts';
import type { Step } from './steps.ts';

/** What an answer makes of the state. */
export interface Applied {
  readonly state: DeviceState;
  /** The answer names another service for the steps that follow. */
  readonly redirected: boolean;
}

/**
 * The state after a step's answer: as a whole, or a refusal that leaves everything as it was.
 * @param now the device's own clock.
 */
export function applyAnswer(
  step: Step,
  map: CborMap,
  state: DeviceState,
  now: Millis,
  expiring: Millis,
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
      return redirected(map, { ...state, cloud: cloudState(state.cloud, configuration.value) });
    }
    case 'credentials': {
      const time = now + (state.clockOffset ?? 0);
      const publicKey = spkiOf(createPrivateKey(state.key));
      const credentials = readCredentials(map, { deviceId: state.deviceId, publicKey, time, expiring });
      return credentials.ok ? redirected(map, { ...state, credentials: credentials.value }) : credentials;
    }
    case 'acls': {
      const acl = readAcls(map);
      return acl.ok ? redirected(map, { ...state, acl: acl.value }) : acl;
    }
  }
}

/** What an earlier owner gave does not hold for a new one. */
function ownedBy(state: DeviceState, owner: string): DeviceState {
  if (state.owner === owner) return state;
  const { credentials: _credentials, acl: _acl, ...rest } = state;
  return { ...rest, owner };
}

/** The same gateway, hub and provider: the device stays signed up there. */
function cloudState(
  before: CloudState | undefined,
  { provider, accessToken, gateways }: CloudConfiguration,
): CloudState {
  const [first] = gateways;
  const [known] = before?.gateways ?? [];
  const same = before?.provider === provider && known?.uri === first.uri && known.id === first.id;
  const registration = same ? before?.registration : undefined;
  return { provider, accessToken, gateways, selected: 0, ...(registration ? { registration } : {}) };
}

/** The state at another gateway of the same list; another hub means signing up anew. */
export function atGateway(cloud: CloudState, selected: number): CloudState {
  const { registration, ...rest } = cloud;
  const sameHub = cloud.gateways[selected]?.id === selectedGateway(cloud)?.id;
  return { ...rest, selected, ...(sameHub && registration ? { registration } : {}) };
}

/** `redirecturi`: the new service takes the place of the one in use. The rest of the answer counts all the same. */
function redirected(map: CborMap, state: DeviceState): Decision<Applied> {
  const uri = readRedirect(map);
  if (uri === undefined) return kept(state);
  const parsed = parseCoapUri(uri);
  if (!parsed.ok) return parsed;
  const others = state.endpoints.filter((endpoint, at) => at !== state.selected && endpoint.uri !== uri);
  return decided({ state: { ...state, endpoints: [...others, { uri }], selected: others.length }, redirected: true });
}

const kept = (state: DeviceState): Decision<Applied> => decided({ state, redirected: false });
