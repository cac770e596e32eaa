import Type, { type Static } from 'typebox';
import { limits } from '../core/limits.ts';
import { chosen, closed, file, oneOf, uuid } from './parts.ts';

const { selectors, entries, text } = limits.policy;

const short = (description: string) => Type.String({ minLength: 1, maxLength: text, description });
const pem = (what: string) => Type.Array(file(`file with PEM, or PEM itself: ${what}`));
const url = Type.String({ pattern: '^https?://[^/]', description: 'http: or https: URL' });

const selectorKeys = {
  key: Type.Optional(uuid),
  serial: Type.Optional(short('serial number in hexadecimal, in quotes')),
  subject: Type.Optional(short('subject of the certificate, or PSK identity; * stands for any text')),
};

/** Which device (model.ts, DeviceSelector). */
const selector = Type.Object(selectorKeys, {
  ...closed,
  minProperties: 1,
  maxProperties: 1,
  description: 'one of key, serial, subject',
});

const secretHex = Type.String({
  pattern: '^([0-9a-fA-F]{2}){16,64}$',
  description: '16 to 64 bytes in hexadecimal, in quotes',
});

const presharedKey = Type.Object(
  {
    identity: Type.String({ minLength: 1, description: 'PSK identity; a trailing * stands for any ending' }),
    keyFile: Type.Optional(file('file that holds the key in hexadecimal')),
    key: Type.Optional(secretHex),
    derived: Type.Optional(
      Type.Boolean({ description: 'each device has a key of its own, made from this one; default false' }),
    ),
  },
  closed,
);

const allocation = Type.Union(
  [
    Type.Literal('first'),
    Type.Literal('hashed'),
    Type.Object(
      {
        weights: Type.Optional(
          Type.Record(Type.String(), Type.Number({ minimum: 0 }), {
            description: 'hub id -> share of the devices; 0: no new ones',
          }),
        ),
        static: Type.Optional(
          Type.Array(Type.Object({ ...selectorKeys, hub: uuid }, { ...closed, minProperties: 2, maxProperties: 2 }), {
            maxItems: selectors,
          }),
        ),
        webhook: Type.Optional(
          Type.Object(
            {
              url,
              timeoutSeconds: Type.Optional(
                Type.Number({ minimum: 0.1, maximum: 15, description: 'how long its answer may take; default 5' }),
              ),
              secretFile: Type.Optional(file('file that holds the secret')),
            },
            closed,
          ),
        ),
      },
      { ...closed, minProperties: 1, maxProperties: 1 },
    ),
  ],
  { description: 'first, hashed, or a mapping with one of weights, static, webhook' },
);

const accessEntry = Type.Object(
  {
    subject: Type.Union(
      [
        Type.String({ minLength: 1 }),
        Type.Object({ role: short('role'), authority: Type.Optional(short('authority of the role')) }, closed),
      ],
      { description: `owner, hub, anonymous, authenticated, a UUID (may hold \${…}), or a mapping with role` },
    ),
    permission: Type.Union(
      [Type.Literal('all'), Type.Array(oneOf('create', 'retrieve', 'update', 'delete', 'notify'), { minItems: 1 })],
      { description: 'all, or a list of create, retrieve, update, delete, notify' },
    ),
    resources: Type.Array(
      Type.String({ pattern: '^(/.*|\\*|\\+|-)$', maxLength: text, description: "a path (/…), or '*', '+' or '-'" }),
      { minItems: 1, maxItems: entries },
    ),
  },
  closed,
);

/** An enrollment group as it is written in YAML (model.ts, EnrollmentGroup). */
export const groupSchema = Type.Object(
  {
    id: Type.Optional(uuid),
    name: Type.String({ minLength: 1, maxLength: text, description: 'what people call it' }),
    owner: Type.String({ minLength: 1, description: 'owner: a UUID, or any text (its UUIDv5 is used)' }),
    enabled: Type.Optional(Type.Boolean({ description: 'whether its devices are let in; default true' })),
    anchors: Type.Optional(pem('manufacturer roots')),
    leads: Type.Optional(pem('lead certificates')),
    intermediates: Type.Optional(pem('manufacturer intermediates')),
    crls: Type.Optional(Type.Array(file('file with PEM, PEM itself, or http: or https: URL: manufacturer CRLs'))),
    expiredGraceDays: Type.Optional(
      Type.Number({ minimum: 0, description: 'days that a certificate is taken after its end; default 0' }),
    ),
    psk: Type.Optional(Type.Array(presharedKey)),
    pins: Type.Optional(
      Type.Array(file('64 hexadecimal digits, file with PEM, or PEM itself: a certificate or public key')),
    ),
    allow: Type.Optional(Type.Array(selector, { maxItems: selectors })),
    deny: Type.Optional(Type.Array(selector, { maxItems: selectors })),
    admission: Type.Optional(
      chosen(
        'who comes in: everybody, who is approved, or who is listed; default auto',
        'auto',
        'manual',
        'preauthorized',
      ),
    ),
    deviceIds: Type.Optional(
      Type.Union([Type.Literal('own'), Type.Object({ template: short(`text with \${…}`) }, closed)], {
        description: 'own, or a mapping with template',
      }),
    ),
    certificate: Type.Optional(
      Type.Object(
        {
          keys: Type.Optional(
            Type.Array(chosen('keys that devices may have', 'P-256', 'P-384', 'Ed25519'), { minItems: 1 }),
          ),
          days: Type.Optional(
            Type.Number({ exclusiveMinimum: 0, description: 'days that an identity certificate is valid' }),
          ),
          usages: Type.Optional(
            Type.Array(chosen('what their certificates are for', 'clientAuth', 'serverAuth', 'ocfIdentity'), {
              minItems: 1,
            }),
          ),
        },
        closed,
      ),
    ),
    identityDays: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'the same as certificate.days' })),
    hubs: Type.Array(uuid, { minItems: 1 }),
    allocation: Type.Optional(allocation),
    acl: Type.Optional(Type.Array(accessEntry, { minItems: 1, maxItems: entries })),
    ownerPskFile: Type.Optional(file("file that holds the master of the owner's keys in hexadecimal")),
    ownerPsk: Type.Optional(secretHex),
    ownerPskShared: Type.Optional(
      Type.Boolean({
        description: 'all devices get the first 16 bytes of it, and not each a key of its own; default false',
      }),
    ),
    payload: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'delivered beside the cloud configuration' }),
    ),
    reprovisioning: Type.Optional(
      chosen(
        'what a device gets that comes again; default migrate: what the policy says then',
        'migrate',
        'keep',
        'never',
      ),
    ),
    clones: Type.Optional(
      chosen('what happens when a key is used in two places; default alarm', 'alarm', 'quarantine'),
    ),
  },
  closed,
);

export type GroupConfig = Static<typeof groupSchema>;
