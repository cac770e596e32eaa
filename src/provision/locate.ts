import type { Millis } from '../core/clock.ts';
import { type Decision, decided, failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import { asksWebhook, configure, type Destination } from './configure.ts';
import type { SelectedGateway } from './contract.ts';
import type { ProvisionerDeps } from './ports.ts';

/**
 * Stage configure with its look-up: asks the group's webhook when the hub is for that to say.
 * @returns where the device shall go, and what the webhook has said: it is asked once a run.
 * @throws FirstbootError configure.allocation, service.busy
 */
export async function locate(
  { allocation, policy }: Pick<ProvisionerDeps, 'allocation' | 'policy'>,
  group: EnrollmentGroup,
  {
    device,
    selected,
    answer,
  }: {
    readonly device: Device;
    readonly selected: SelectedGateway | undefined;
    /** Of the webhook, earlier in this run. */
    readonly answer: Uuid | undefined;
  },
  now: Millis,
): Promise<Decision<Destination & { readonly answer: Uuid | undefined }>> {
  const { hubs } = policy.current;
  const asks = asksWebhook(group, hubs, device, selected);
  if (asks && answer === undefined && allocation === undefined) {
    throw failure('configure.allocation', { group: group.name }, 'start the service with a source of allocations');
  }
  const named = asks ? (answer ?? (await allocation?.hubFor({ group, device }, now))) : undefined;
  const destination = configure(group, hubs, device, selected, named);
  return destination.ok ? decided({ ...destination.value, answer: named }) : destination;
}
