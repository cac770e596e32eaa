import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type {
  AccessEntry,
  AccessList,
  ApiToken,
  Attempt,
  AttemptSummary,
  AuditEntry,
  Credential,
  Delivery,
  Device,
  EnrollmentGroup,
  FetchedCrl,
  Hub,
  Owner,
  RefusalCount,
  RevocationReason,
  Role,
  Webhook,
} from '../store/model.ts';
import type { AccessRequest } from './access.ts';
import type { AttemptFilter, ListedAttempt } from './attempts.ts';
import type { AuditFilter, AuditVerdict } from './audit.ts';
import type { CaStatus } from './ca.ts';
import type { Rehearsal } from './ca-rehearsal.ts';
import type { Rotation, RotationOptions } from './ca-rotation.ts';
import type { Outcome, RowOptions } from './change.ts';
import type { CredentialChange, CredentialFilter, CredentialSelection } from './credentials.ts';
import type { DeviceFilter } from './device-list.ts';
import type { DeviceOptions } from './devices.ts';
import type { Explanation } from './explain.ts';
import type { GroupCount } from './groups.ts';
import type { HubCount } from './hubs.ts';
import type { ImportReport, ImportRequest } from './imports.ts';
import type { OwnerPsk } from './owner-psk.ts';
import type { DryRunReport } from './replay.ts';
import type { Page } from './scan.ts';

/**
 * Everything an operator can do, whoever asks: the command line over a data folder, the API, the dashboard, and the command
 * line again over the API of a running service. `which` is what people write for a thing: an id, a name, the first
 * characters of an id (find.ts). Every operation throws FirstbootError as the function behind it does.
 */
export interface Operations {
  groups(): Promise<readonly GroupCount[]>;
  group(which: string): Promise<GroupView>;
  putGroup(group: EnrollmentGroup, options: PutOptions): Promise<Outcome<EnrollmentGroup>>;
  setGroupEnabled(
    which: string,
    options: { readonly enabled: boolean } & RowOptions,
  ): Promise<Outcome<EnrollmentGroup>>;
  deleteGroup(
    which: string,
    options: { readonly force?: boolean | undefined } & RowOptions,
  ): Promise<Outcome<EnrollmentGroup>>;
  approveGroup(which: string, options: DeviceOptions): Promise<Outcome<readonly Uuid[]>>;

  access(group: string, page: AccessPage): Promise<Page<AccessEntry, string>>;
  addAccess(
    request: AccessRequest & { readonly note?: string | undefined },
    options: DryRun,
  ): Promise<Outcome<AccessEntry>>;
  removeAccess(request: AccessRequest, options: DryRun): Promise<Outcome<AccessEntry>>;
  importAccess(source: AsyncIterable<string>, request: ImportRequest): Promise<ImportReport>;

  hubs(): Promise<readonly HubCount[]>;
  hub(which: string): Promise<HubView>;
  putHub(hub: Hub, options: PutOptions): Promise<Outcome<Hub>>;
  deleteHub(which: string, options: RowOptions): Promise<Outcome<Hub>>;

  /** `after` is the `next` of the page before. */
  devices(filter: DeviceFilter, page: ListPage): Promise<Page<Device, string>>;
  device(which: string): Promise<DeviceView>;
  turnDevice(turn: DeviceTurn, which: string, options: DeviceOptions): Promise<Outcome<Device>>;
  transferDevice(which: string, owner: string, options: DeviceOptions): Promise<Outcome<Device>>;
  rekeyDevice(from: string, to: string, options: DeviceOptions): Promise<Outcome<Device>>;
  ownerPsk(which: string): Promise<OwnerPsk>;

  credentials(filter: CredentialFilter, page: ListPage): Promise<Page<Credential, string>>;
  credential(serial: string): Promise<CredentialView>;
  revokeCredentials(
    selection: CredentialSelection,
    options: { readonly reason: RevocationReason } & DryRun,
  ): Promise<Outcome<CredentialChange>>;
  releaseCredentials(selection: CredentialSelection, options: DryRun): Promise<Outcome<CredentialChange>>;

  attempts(filter: AttemptFilter, page: ListPage): Promise<Page<ListedAttempt, string>>;
  attempt(which: string): Promise<Attempt>;
  refusals(since: Millis): Promise<readonly RefusalCount[]>;
  explainAttempt(which: string, options: ExplainQuestion): Promise<AttemptExplanation>;
  /** @param presented DER, the device's certificate first */
  explainChain(presented: readonly Uint8Array[], options: ExplainQuestion): Promise<ChainExplanation>;

  /** Oldest first, or newest first. */
  audit(filter: AuditFilter, page: ListPage & { readonly newest?: boolean }): Promise<Page<AuditEntry, string>>;
  verifyAudit(options: { readonly head?: string | undefined }): Promise<AuditVerdict>;

  ca(): Promise<CaStatus>;
  rehearse(question: { readonly anchor: string; readonly on: Millis }): Promise<Rehearsal>;
  rotate(options: RotationOptions): Promise<Outcome<Rotation>>;

  /** What a policy would change, in itself and for those who came since a time: rows of files are all of them, those of operators changes. */
  dryRun(
    policy: { readonly groups: readonly EnrollmentGroup[]; readonly hubs: readonly Hub[] },
    since: Millis,
  ): Promise<PolicyDryRun>;

  tokens(): Promise<readonly ListedToken[]>;
  /** The token itself is told this once. */
  createToken(token: TokenRequest, options: DryRun): Promise<Outcome<ListedToken & { readonly token: string }>>;
  revokeToken(which: string, options: DryRun): Promise<Outcome<ListedToken>>;

  webhooks(): Promise<readonly WebhookView[]>;
  webhook(which: string): Promise<WebhookView>;
  /** Without `which` a new one; its secret is made, and told in the outcome, when the request has none. */
  putWebhook(
    request: WebhookRequest,
    options: { readonly which?: string; readonly revision?: number } & DryRun,
  ): Promise<Outcome<WebhookView & { readonly secret?: string }>>;
  deleteWebhook(which: string, options: RowOptions): Promise<Outcome<WebhookView>>;
  deliveries(which: string, page: ListPage & { readonly dead?: boolean }): Promise<Page<Delivery, string>>;
  /** Tries dead letters again: one, or all of a webhook. */
  redeliver(which: string, options: { readonly event?: string } & DryRun): Promise<Outcome<number>>;
}

export interface DryRun {
  readonly dryRun?: boolean | undefined;
}

export interface PutOptions extends DryRun {
  /** A new one; else one that is there, by its id. */
  readonly create: boolean;
  /** Refused (api.precondition) unless it still has this revision. */
  readonly revision?: number | undefined;
}

export interface ListPage {
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface AccessPage extends ListPage {
  readonly list?: AccessList | undefined;
}

/** What can be done to a device that needs nothing but a reason. */
export type DeviceTurn =
  | 'approve'
  | 'reject'
  | 'quarantine'
  | 'release'
  | 'disable'
  | 'enable'
  | 'decommission'
  | 'allow-reset'
  | 'clear-alarms';

export interface GroupView {
  readonly group: EnrollmentGroup;
  readonly devices: GroupCount['devices'];
  /** Of its hubs that are there. */
  readonly hubs: readonly { readonly id: Uuid; readonly name: string }[];
  /** Revocation lists that are fetched for it. */
  readonly lists: readonly FetchedCrl[];
}

export interface HubView {
  readonly hub: Hub;
  /** Groups that send devices there. */
  readonly groups: readonly { readonly id: Uuid; readonly name: string }[];
}

export interface DeviceView {
  readonly device: Device;
  readonly group: { readonly id: Uuid; readonly name: string } | undefined;
  readonly hub: { readonly id: Uuid; readonly name: string } | undefined;
  /** Whose it is by transfer, or by its group. */
  readonly owner: Owner | undefined;
  /** Oldest first. */
  readonly credentials: readonly Credential[];
  /** The last limits.operator.shownAttempts, newest first. */
  readonly attempts: readonly AttemptSummary[];
}

export interface CredentialView {
  readonly credential: Credential;
  /** Subject of the device's manufacturer certificate. */
  readonly manufacturer: string | undefined;
  readonly group: { readonly id: Uuid; readonly name: string } | undefined;
}

export interface ExplainQuestion {
  /** Judge for this time; default: now, or for an attempt when it began. */
  readonly at?: Millis | undefined;
  /** Judge as if there were this group only; id or name. */
  readonly group?: string | undefined;
}

export interface ChainExplanation {
  readonly explanation: Explanation;
  /** How many groups it was judged by. */
  readonly groups: number;
}

export interface AttemptExplanation {
  readonly attempt: Uuid;
  /** What was decided then. */
  readonly recorded: Explanation;
  /** What the present policy says of the same chain; undefined: the attempt shows none. */
  readonly now: Explanation | undefined;
  readonly groups: number;
}

export interface PolicyDryRun {
  /** One line for each group or hub that would change. */
  readonly effects: readonly string[];
  readonly report: DryRunReport;
}

export type ListedToken = Omit<ApiToken, 'hash'>;

export interface TokenRequest {
  readonly name: string;
  readonly role: Role;
  /** A name or a UUID; undefined: it sees everything. */
  readonly owner?: string | undefined;
  readonly expiresAt?: Millis | undefined;
}

export interface WebhookRequest {
  readonly name: string;
  readonly url: string;
  readonly types?: readonly string[] | undefined;
  readonly enabled?: boolean | undefined;
  /** Base64 of 24 to 64 bytes. */
  readonly secret?: string | undefined;
}

export interface WebhookView {
  readonly webhook: Omit<Webhook, 'secret'>;
  /** Events that wait to be told (again), and dead letters. */
  readonly waiting: number;
  readonly dead: number;
  /** Why the last try that failed did, of those that wait. */
  readonly lastError: string | undefined;
}
