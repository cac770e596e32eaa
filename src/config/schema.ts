import Type, { type Static } from 'typebox';
import { logLevels } from '../ops/log.ts';
import { mtuRange } from './settings.ts';

const uuid = Type.String({ format: 'uuid', description: 'UUID' });
const closed = { additionalProperties: false } as const;
const port = (description: string) => Type.Integer({ minimum: 0, maximum: 65_535, description });

const file = (description: string) => Type.String({ minLength: 1, description });

const gatewayUri = Type.String({
  pattern: '^coaps(\\+tcp)?://',
  description: 'coaps+tcp://host:port or coaps://host:port',
});

const hubSchema = Type.Object(
  {
    id: uuid,
    name: Type.Optional(Type.String({ minLength: 1 })),
    gateways: Type.Array(gatewayUri, { minItems: 1 }),
    provider: Type.Optional(Type.String({ minLength: 1, description: 'authorization provider name (apn)' })),
    oauth: Type.Optional(
      Type.Object(
        {
          authority: Type.String({ pattern: '^https?://', description: 'OIDC issuer URL' }),
          clientId: Type.String({ minLength: 1 }),
          clientSecretFile: file('file that holds the client secret'),
          audience: Type.Optional(Type.String()),
          scopes: Type.Optional(Type.Array(Type.String())),
          ownerClaim: Type.Optional(Type.String()),
          deviceIdClaim: Type.Optional(Type.String()),
        },
        closed,
      ),
    ),
  },
  closed,
);

const groupSchema = Type.Object(
  {
    id: Type.Optional(uuid),
    name: Type.String({ minLength: 1 }),
    owner: Type.String({ minLength: 1, description: 'owner: a UUID, or any text (its UUIDv5 is used)' }),
    enabled: Type.Optional(Type.Boolean()),
    anchors: Type.Optional(Type.Array(file('PEM file of manufacturer roots'))),
    intermediates: Type.Optional(Type.Array(file('PEM file of manufacturer intermediates'))),
    crls: Type.Optional(Type.Array(file('PEM file of manufacturer CRLs'))),
    expiredGraceDays: Type.Optional(Type.Number({ minimum: 0 })),
    psk: Type.Optional(
      Type.Array(
        Type.Object(
          { identity: Type.String({ minLength: 1 }), keyFile: file('file that holds the key in hex') },
          closed,
        ),
      ),
    ),
    hubs: Type.Array(uuid, { minItems: 1 }),
    identityDays: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    ownerPskFile: Type.Optional(file("file that holds the owner's 16 or 32 byte key in hex")),
  },
  closed,
);

/** The shape of firstboot.yaml. Everything is optional: what is missing has the default of the table in README. */
export const configSchema = Type.Object(
  {
    data: Type.Optional(file('folder of the store, keys and certificates')),
    host: Type.Optional(Type.String({ minLength: 1, description: 'address to listen on' })),
    port: Type.Optional(port('UDP and TCP port of the device endpoints')),
    transports: Type.Optional(
      Type.Array(Type.Union([Type.Literal('udp'), Type.Literal('tcp')]), {
        minItems: 1,
        description: 'udp, tcp or both',
      }),
    ),
    mtu: Type.Optional(
      Type.Integer({
        minimum: mtuRange.smallest,
        maximum: mtuRange.largest,
        description: 'largest UDP payload sent, bytes',
      }),
    ),
    gateway: Type.Optional(gatewayUri),
    logLevel: Type.Optional(Type.Union(logLevels.map((level) => Type.Literal(level)))),
    idleSeconds: Type.Optional(
      Type.Number({ minimum: 1, description: 'sessions without traffic are closed after this' }),
    ),
    issuer: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Type.String({ minLength: 1 })),
          port: Type.Optional(port('HTTP port of the built-in token issuer')),
          url: Type.Optional(Type.String({ pattern: '^https?://', description: 'its URL as others see it' })),
        },
        closed,
      ),
    ),
    certificate: Type.Optional(
      Type.Object(
        { chain: file('PEM: service certificate, then intermediates'), key: file('PEM: its private key') },
        closed,
      ),
    ),
    authority: Type.Optional(file('folder of the identity CA; made on first start')),
    groups: Type.Optional(Type.Array(groupSchema, { minItems: 1 })),
    hubs: Type.Optional(Type.Array(hubSchema, { minItems: 1 })),
  },
  closed,
);

export type ConfigFile = Static<typeof configSchema>;
export type GroupConfig = Static<typeof groupSchema>;
export type HubConfig = Static<typeof hubSchema>;
