import Type, { type Static } from 'typebox';
import { roles } from '../store/model.ts';
import { chosen, closed, file } from './parts.ts';

const role = chosen('what they may do', ...roles);
const line = (description: string) => Type.String({ minLength: 1, maxLength: 512, description });

/** What stands under `api` of firstboot.yaml. */
export const apiSchema = Type.Object(
  {
    host: Type.Optional(line('address that the API and the dashboard listen on')),
    port: Type.Optional(
      Type.Union([Type.Integer({ minimum: 0, maximum: 65_535 }), Type.Literal('off')], {
        description: 'a port number from 0 to 65535 (0: any free one), or off',
      }),
    ),
    tls: Type.Optional(
      Type.Object(
        {
          chain: file('PEM: certificate of the API, then intermediates'),
          key: file('PEM: its private key'),
          clientCas: Type.Optional(file('PEM: authorities of the certificates that clients sign in with')),
        },
        closed,
      ),
    ),
    insecure: Type.Optional(
      Type.Boolean({ description: 'listen beyond loopback without TLS, because a proxy in front speaks it' }),
    ),
    ownersAttest: Type.Optional(
      Type.Boolean({
        description:
          'let people who are bound to an owner say what its groups know devices by: only where owners trust each other; default false',
      }),
    ),
    ownersReachPrivate: Type.Optional(
      Type.Boolean({
        description:
          'let what people who are bound to an owner write (webhooks, allocation, OAuth, revocation lists) lead to private addresses, all that this machine reaches; default false',
      }),
    ),
    openMetrics: Type.Optional(Type.Boolean({ description: 'tell /metrics to everybody' })),
    oidc: Type.Optional(
      Type.Array(
        Type.Object(
          {
            issuer: Type.String({
              pattern: '^(https://[^/?#]+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:\\d+)?)(/[^?#]*)?$',
              description: 'https URL of an OpenID Connect issuer (http on loopback only)',
            }),
            audience: line('audience that its tokens have to name'),
            roleClaim: Type.Optional(line('claim whose values become roles')),
            ownerClaim: Type.Optional(line('claim that names the owner; without it its people see everything')),
            roles: Type.Record(Type.String(), role, { minProperties: 1, description: 'value of the claim -> role' }),
          },
          closed,
        ),
        { maxItems: 20 },
      ),
    ),
    certificates: Type.Optional(
      Type.Array(
        Type.Object(
          {
            subject: Type.Optional(line('subject of a certificate, or its common name')),
            fingerprint: Type.Optional(
              Type.String({ pattern: '^([0-9A-Fa-f]{2}:?){32}$', description: 'SHA-256 of a certificate, hex' }),
            ),
            role,
            owner: Type.Optional(line('name or UUID of the owner it is bound to')),
          },
          closed,
        ),
        { maxItems: 1000 },
      ),
    ),
  },
  closed,
);

export type ApiConfig = Static<typeof apiSchema>;
