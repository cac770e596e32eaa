import type { Uuid } from '../core/ids.ts';
import { ownerNamed } from '../provision/owner.ts';
import type { Role } from '../store/model.ts';
import type { ApiConfig } from './api-schema.ts';

/** Where the API listens, and who may come in. Paths are absolute. */
export interface ConfiguredApi {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: { readonly chain: string; readonly key: string; readonly clientCas: string | undefined } | undefined;
  readonly insecure: boolean;
  readonly openMetrics: boolean;
  /** Whether who is bound to an owner says what its groups know devices by. */
  readonly ownersAttest: boolean;
  /** Whether what owners write may lead anywhere that this machine reaches. */
  readonly ownersReachPrivate: boolean;
  readonly authentication: {
    readonly oidc: NonNullable<ApiConfig['oidc']>;
    /** What the holder of a certificate may do. */
    readonly certificates: readonly {
      readonly subject: string | undefined;
      readonly fingerprint: string | undefined;
      readonly role: Role;
      readonly ownerId: Uuid | undefined;
    }[];
  };
}

/** @param path makes a path of the file absolute */
export function configuredApi(written: ApiConfig, port: number, path: (text: string) => string): ConfiguredApi {
  const { host = '127.0.0.1', tls, insecure = false, openMetrics = false, ownersAttest = false } = written;
  const { ownersReachPrivate = false, oidc = [], certificates = [] } = written;
  return {
    host,
    port,
    tls: tls && {
      chain: path(tls.chain),
      key: path(tls.key),
      clientCas: tls.clientCas === undefined ? undefined : path(tls.clientCas),
    },
    insecure,
    openMetrics,
    ownersAttest,
    ownersReachPrivate,
    authentication: {
      oidc,
      certificates: certificates.map(({ subject, fingerprint, role, owner }) => ({
        subject,
        fingerprint,
        role,
        ownerId: owner === undefined ? undefined : ownerNamed(owner).id,
      })),
    },
  };
}
