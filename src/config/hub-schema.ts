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
    name: Type.Optional(Type.String({ minLength: 1, description: 'what people call it; default: its id' })),
    gateways: Type.Array(gatewayUri, { minItems: 1 }),
    provider: Type.Optional(Type.String({ minLength: 1, description: 'authorization provider name (apn)' })),
    oauth: Type.Optional(
      Type.Object(
        {
          authority: Type.String({ pattern: '^https?://', description: 'OIDC issuer URL' }),
          clientId: Type.String({ minLength: 1, description: 'of this service at the issuer' }),
          clientSecretFile: file('file that holds the client secret'),
          audience: Type.Optional(Type.String({ description: 'audience that tokens are asked for' })),
          scopes: Type.Optional(Type.Array(Type.String({ description: 'scope that tokens are asked for' }))),
          ownerClaim: Type.Optional(
            Type.String({ description: 'claim of a token that names the owner; default https://plgd.dev/owner' }),
          ),
          deviceIdClaim: Type.Optional(
            Type.String({ description: 'claim of a token that names the device; default: none' }),
          ),
        },
        closed,
      ),
    ),
  },
  closed,
);

export type HubConfig = Static<typeof hubSchema>;
