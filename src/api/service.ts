import type { Millis, Timers } from '../core/clock.ts';
import type { JsonObject } from '../core/json.ts';
import type { EventHub } from '../operator/event-hub.ts';
import type { Readiness } from '../ops/health.ts';
import type { Revocations } from '../provision/revocations.ts';
import type { Actor } from '../store/model.ts';
import type { Principal } from './principal.ts';

/** What a running service offers to the API beside operations. What is undefined is not there, and its routes say so. */
export interface ApiService {
  readonly version: string;
  readonly startedAt: Millis;
  readonly timers: Timers;
  health(): Readiness;
  /** Provisioning runs that are under way. */
  openAttempts(): number;
  /** Folder of the files with secrets that groups and hubs name through the API. */
  readonly secretsFolder: string;
  /** The OpenAPI document. */
  document(): JsonObject;
  readonly revocations: Revocations | undefined;
  /** What happens, as it happens. */
  readonly events: EventHub | undefined;
  readonly reload: ((actor: Actor) => Promise<ReloadReport>) | undefined;
  readonly backup: ((name: string, actor: Actor) => Promise<BackupReport>) | undefined;
}

/** One line for each thing that changed; none: everything was as it is written. */
export interface ReloadReport {
  readonly effects: readonly string[];
}

export interface BackupReport {
  /** Of the backup, as it was asked for. */
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
}

/** The dashboard's way in: a token is given for a cookie. */
export interface SignIn {
  /** @returns who it is now, and the value of Set-Cookie. @throws FirstbootError api.unauthenticated, api.forbidden */
  open(token: string): Promise<{ readonly principal: Principal; readonly cookie: string }>;
  /** Ends the session that the request came with, if any. @returns the value of Set-Cookie that takes the cookie back */
  close(): string;
}
