import { parseCoapUri } from '../../coap/uri.ts';
import { parseUuid, type Uuid } from '../../core/ids.ts';
import type { Hub, HubAuthorization } from '../../store/model.ts';
import { Fields, inlineText, type Message, wrong } from './message.ts';

/** A hub from a plgd message, and the client secret in it, which is kept in a file of its own. */
export interface ReadHub {
  /** Its authorization names `secretFile`, when there is one. */
  readonly hub: Hub;
  readonly secret: string | undefined;
}

/** A hub as plgd's `Hub` message (contract, plgd-service 3.2). The client secret is not told. */
export function hubMessage({ id, name, gateways, provider, authorization }: Hub, owner: string): Message {
  const oauth = authorization.type === 'client-credentials' ? authorization : undefined;
  return {
    id,
    hubId: id,
    gateways: [...gateways],
    certificateAuthority: null,
    authorization: {
      ownerClaim: oauth?.ownerClaim ?? '',
      deviceIdClaim: oauth?.deviceIdClaim ?? '',
      provider: {
        name: provider,
        authority: oauth?.authority ?? '',
        clientId: oauth?.clientId ?? '',
        clientSecret: '',
        scopes: [...(oauth?.scopes ?? [])],
        audience: oauth?.audience ?? '',
      },
    },
    name,
    owner,
  };
}

/** Where a hub that is written goes. */
export interface HubPlace {
  /** Of the hub when the message names none. */
  readonly id: Uuid;
  readonly ownerId: Uuid | undefined;
  /** The one that is replaced. */
  readonly known?: Hub;
  /** The file that will hold the client secret of a hub. */
  readonly secretFile: (hub: Uuid) => string;
}

/**
 * The hub that such a message describes. Here a hub has one id, the one in its gateways' certificates: plgd's `hubId`. Whose
 * authority signs is ours to say: `certificateAuthority` is read over.
 * @throws FirstbootError operator.input naming the field
 */
export function hubOfMessage(body: unknown, { id, ownerId, known, secretFile }: HubPlace): ReadHub {
  const fields = new Fields(body, '');
  const named = fields.text('hubId');
  const hubId = named === '' ? id : parseUuid(named);
  if (hubId === undefined) throw wrong('hubId', 'a UUID');
  if (known && hubId !== known.id) throw wrong('hubId', `${known.id}: a hub keeps its id; make another one instead`);
  const gateways = fields.texts('gateways').map(gatewayOf);
  if (gateways.length === 0) throw wrong('gateways', 'one gateway or more');
  const authorization = fields.part('authorization');
  const provider = authorization.part('provider');
  const secret = secretOf(provider);
  const file = secret === undefined ? keptFile(known) : secretFile(hubId);
  return {
    hub: {
      id: hubId,
      name: fields.text('name') || hubId,
      gateways: [...new Set(gateways)],
      provider: provider.text('name') || 'firstboot',
      authorization: authorizationOf(authorization, provider, file),
      source: 'operator',
      ownerId: known ? known.ownerId : ownerId,
      revision: known?.revision ?? 0,
    },
    secret,
  };
}

function authorizationOf(authorization: Fields, provider: Fields, file: string | undefined): HubAuthorization {
  const authority = provider.text('authority');
  // plgd demands a provider; without one the tokens are those of the built-in issuer.
  if (authority === '') return { type: 'built-in' };
  if (!/^https?:\/\/[^/]/.test(authority)) throw wrong(provider.at('authority'), 'an OIDC issuer URL');
  const clientId = provider.text('clientId');
  if (clientId === '') throw wrong(provider.at('clientId'), 'the id of a client');
  if (file === undefined) throw wrong(provider.at('clientSecret'), 'the secret itself (data:;base64,…)');
  return {
    type: 'client-credentials',
    authority,
    clientId,
    clientSecretFile: file,
    audience: provider.text('audience') || undefined,
    scopes: provider.texts('scopes'),
    ownerClaim: authorization.text('ownerClaim') || 'owner',
    deviceIdClaim: authorization.text('deviceIdClaim') || undefined,
  };
}

function secretOf(provider: Fields): string | undefined {
  const text = provider.text('clientSecret');
  return text === '' ? undefined : inlineText(text, provider.at('clientSecret'));
}

const keptFile = (known: Hub | undefined): string | undefined =>
  known?.authorization.type === 'client-credentials' ? known.authorization.clientSecretFile : undefined;

/** plgd takes a gateway without a scheme for coaps+tcp, and others than secure ones, which a device of ours is never sent to. */
function gatewayOf(text: string): string {
  const uri = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `coaps+tcp://${text}`;
  const read = parseCoapUri(uri);
  if (read.ok && /^coaps/.test(uri)) return uri;
  throw wrong('gateways', 'coaps+tcp://host:port or coaps://host:port');
}
