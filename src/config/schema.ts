import Type, { type Static } from 'typebox';
import { logLevels } from '../ops/log.ts';
import { apiSchema } from './api-schema.ts';
import { groupSchema } from './group-schema.ts';
import { gatewayUri, hubSchema } from './hub-schema.ts';
import { closed, file, oneOf } from './parts.ts';
import { mtuRange } from './settings.ts';

const port = (description: string) => Type.Integer({ minimum: 0, maximum: 65_535, description });

const policy = {
  groups: Type.Optional(Type.Array(groupSchema, { minItems: 1 })),
  hubs: Type.Optional(Type.Array(hubSchema, { minItems: 1 })),
} as const;

/** The shape of a policy file: what stands under the same keys of firstboot.yaml. */
export const policySchema = Type.Object(policy, closed);

/** The shape of firstboot.yaml. Everything is optional: what is missing has the default of the table in README. */
export const configSchema = Type.Object(
  {
    data: Type.Optional(file('folder of the store, keys and certificates')),
    host: Type.Optional(Type.String({ minLength: 1, description: 'address to listen on' })),
    port: Type.Optional(port('UDP and TCP port of the device endpoints')),
    transports: Type.Optional(
      Type.Array(oneOf('udp', 'tcp'), {
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
    logLevel: Type.Optional(oneOf(...logLevels)),
    idleSeconds: Type.Optional(
      Type.Number({ minimum: 1, description: 'sessions without traffic are closed after this' }),
    ),
    issuer: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Type.String({ minLength: 1, description: 'address that the token issuer listens on' })),
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
    retention: Type.Optional(
      Type.Object(
        {
          days: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'days that attempts are kept' })),
          attemptsPerDevice: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 100_000, description: 'attempts of a device that are kept' }),
          ),
        },
        closed,
      ),
    ),
    policy: Type.Optional(file('folder of policy files')),
    api: Type.Optional(apiSchema),
    watch: Type.Optional(
      Type.Boolean({
        description: 'whether files that have changed are taken up while the service runs; default true',
      }),
    ),
    drainSeconds: Type.Optional(
      Type.Number({ minimum: 0, maximum: 600, description: 'how long open attempts have after SIGTERM; default 20' }),
    ),
    tracing: Type.Optional(Type.Boolean({ description: 'whether attempts are traced (OpenTelemetry); default false' })),
    ...policy,
  },
  closed,
);

export type ConfigFile = Static<typeof configSchema>;
