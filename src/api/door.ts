import type { FastifyRequest } from 'fastify';
import { type Authentication, type Caller, type Credentials, cookieName, requireSameOrigin } from './authentication.ts';
import type { ClientAuthorities } from './client-authorities.ts';
import type { Principal } from './principal.ts';
import { isInsider, type Needed, requireRole } from './roles.ts';
import type { SignIn } from './service.ts';

/** Requests and who sent them: found out once for each. */
export class Door {
  private readonly authentication: Authentication;
  private readonly authorities: ClientAuthorities;
  private readonly callers = new WeakMap<FastifyRequest, Caller>();
  private readonly entered: (request: FastifyRequest, principal: Principal) => void;

  /** @param entered told of each request that somebody known has sent */
  constructor(
    authentication: Authentication,
    authorities: ClientAuthorities,
    entered: Door['entered'] = () => undefined,
  ) {
    this.authentication = authentication;
    this.authorities = authorities;
    this.entered = entered;
  }

  /** @throws FirstbootError api.unauthenticated, api.forbidden, api.too-many, service.busy, service.store */
  async enter(request: FastifyRequest, needed: Needed): Promise<void> {
    const caller = await this.authentication.caller(this.credentialsOf(request));
    if (changes(request)) requireOwnWill(request, caller);
    if (!this.callers.has(request)) this.entered(request, caller.principal);
    this.callers.set(request, caller);
    requireRole(caller.principal, needed);
  }

  /** Who entered with this request. */
  callerOf(request: FastifyRequest): Caller | undefined {
    return this.callers.get(request);
  }

  /** Whether who entered runs the service: may be told what goes on inside. */
  insider(request: FastifyRequest): boolean {
    const caller = this.callers.get(request);
    return caller !== undefined && isInsider(caller.principal);
  }

  signIn(request: FastifyRequest): SignIn {
    return {
      open: (token) => {
        // Else another site could sign a browser in as somebody of its choice.
        if (fromBrowser(request)) requireSameOrigin(request.headers);
        return this.authentication.signIn(token, this.credentialsOf(request));
      },
      close: () => {
        if (fromBrowser(request)) requireSameOrigin(request.headers);
        return this.authentication.signOut(this.credentialsOf(request));
      },
    };
  }

  private credentialsOf({ headers, cookies, socket, ip }: FastifyRequest): Credentials {
    const { authorization } = headers;
    const session = cookies[cookieName];
    const host = ip.includes(':') ? `[${ip}]` : ip;
    const from = `${host}:${socket.remotePort ?? 0}`;
    return {
      from,
      address: ip,
      authorization,
      session: session === '' ? undefined : session,
      certificate: this.authorities.certificateOf(socket),
    };
  }
}

/** What a browser sends by itself it sends for pages of other sites, too; a program with a certificate is no browser. */
function requireOwnWill(request: FastifyRequest, { via }: Caller): void {
  if (via === 'cookie' || (via === 'certificate' && fromBrowser(request))) requireSameOrigin(request.headers);
}

export const changes = ({ method }: FastifyRequest): boolean => method !== 'GET' && method !== 'HEAD';

const fromBrowser = ({ headers }: FastifyRequest): boolean =>
  headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;
