import Type, { type Static } from 'typebox';
import { closed, file, uuid } from './parts.ts';

export const gatewayUri = Type.String({
  pattern: '^coaps(\\+tcp)?://',
  description: 'coaps+tcp://host:port or coaps://host:port',
});

/** A hub as it is written in YAML (model.ts, Hub). */
export const hubSchema = Type.Object(
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

export type HubConfig = Static<typeof hubSchema>;
