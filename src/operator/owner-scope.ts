import type { Uuid } from '../core/ids.ts';
import type { ApiToken, Credential, Device, EnrollmentGroup, FetchedCrl, Hub, Webhook } from '../store/model.ts';
import { ownerIdOf, type Store, type Table } from '../store/store.ts';
import { absent, hubsOf, readable } from './owner-tables.ts';

/** What of a store is of one owner: the view of it (owner-view.ts) reads and judges by this. */
export class OwnerScope {
  readonly whole: Store;
  readonly ownerId: Uuid;
  readonly groups: Table<EnrollmentGroup>;
  readonly hubs: Table<Hub>;
  readonly crls: Table<FetchedCrl>;
  readonly tokens: Table<ApiToken>;
  readonly webhooks: Table<Webhook>;

  constructor(whole: Store, ownerId: Uuid) {
    this.whole = whole;
    this.ownerId = ownerId;
    this.groups = readable(whole.groups, async (rows) => rows.filter((row) => row.owner.id === ownerId));
    this.hubs = hubsOf(whole, ownerId);
    this.crls = readable(whole.crls, async (rows) => {
      const urls = new Set((await this.groups.list()).flatMap(({ attestation }) => attestation.x509?.crlUrls ?? []));
      return rows.filter(({ url }) => urls.has(url));
    });
    this.tokens = readable(whole.tokens, async (rows) => rows.filter((row) => row.ownerId === ownerId));
    this.webhooks = readable(whole.webhooks, async (rows) => rows.filter((row) => row.ownerId === ownerId));
  }

  owns(device: Device): boolean {
    return ownerIdOf(device) === this.ownerId;
  }

  async device(keyId: Uuid): Promise<Device | undefined> {
    const device = await this.whole.device(keyId);
    return device && this.owns(device) ? device : undefined;
  }

  async ownsCredential({ keyId, groupId }: Credential): Promise<boolean> {
    const device = await this.whole.device(keyId);
    return device ? this.owns(device) : (await this.groups.get(groupId)) !== undefined;
  }

  async credential(serial: string): Promise<Credential | undefined> {
    const credential = await this.whole.credential(serial);
    return credential && (await this.ownsCredential(credential)) ? credential : undefined;
  }

  /** @throws FirstbootError operator.not-found */
  async requireWebhook(id: Uuid): Promise<void> {
    if (!(await this.webhooks.get(id))) throw absent('webhook', id);
  }
}
