import { failure } from '../core/errors.ts';
import type { EnrollmentGroup, Hub, PolicyOrigin } from '../store/model.ts';
import { groupAt } from './group.ts';
import type { GroupConfig } from './group-schema.ts';
import { hubAt } from './hub.ts';
import type { HubConfig } from './hub-schema.ts';
import { Place } from './place.ts';

/** What the API adds to a group or hub that is read: it has the form of a policy file, and its keys are null. */
interface Read {
  readonly ownerId?: string | undefined;
  readonly source: PolicyOrigin;
  readonly revision: number;
}

export type GroupForm = GroupConfig & Read;
export type HubForm = HubConfig & Read;

/** A group as the API tells it. Its keys are ''. It is taken as it is: the service has judged it. */
export function readGroupForm({ ownerId: _, source, revision, ...form }: GroupForm): EnrollmentGroup {
  const { ownerPsk, psk } = form;
  const told: GroupConfig = {
    ...form,
    ...(psk && { psk: psk.map(({ key: _key, ...entry }) => entry) }),
    ...(ownerPsk !== undefined && { ownerPsk: '' }),
  };
  return { ...groupAt(toldPlace(), told, source, undefined), revision };
}

/** A hub as the API tells it. */
export const readHubForm = ({ ownerId, source, revision, ...form }: HubForm): Hub => ({
  ...hubAt(toldPlace(), form, source),
  ownerId,
  revision,
});

const toldPlace = (): Place =>
  new Place(
    {
      name: 'the service',
      base: '.',
      groups: [],
      hubs: [],
      hubIds: undefined,
      at: (_keys, expected) => failure('service.config', { file: 'the service' }, expected),
      problems: [],
    },
    { problems: [], warnings: [], now: undefined, files: new Set(), keysLeftOut: true, elsewhere: true },
  );
