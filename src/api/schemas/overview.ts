import Type, { type Static } from 'typebox';
import { countsByState } from './device.ts';
import { closed, count, flag, text } from './parts.ts';

const counts = (description: string) => Type.Record(Type.String(), count('how many'), { description });

export const overview = Type.Object(
  {
    devices: Type.Object(
      {
        total: count('all'),
        byState: Type.Object(countsByState, closed),
        alarms: count('devices with open alarms'),
      },
      closed,
    ),
    pending: count('devices that wait for approval'),
    attempts24h: Type.Object(
      {
        verdicts: counts('attempts that ended in the last 24 hours, by verdict'),
        codes: counts('those that failed, by code'),
      },
      closed,
    ),
    openAttempts: Type.Union([count('provisioning runs that are under way'), Type.Null()], {
      description: 'null for callers that are bound to an owner',
    }),
    groups: count('enrollment groups'),
    hubs: count('hubs'),
    uptime: count('ms since the service started'),
    version: text('of the service'),
    readiness: Type.Object(
      { ready: flag('it serves devices'), waitsFor: Type.Array(Type.String(), { description: 'what is missing' }) },
      closed,
    ),
    storeEpoch: count('how often the store has been opened: the first part of event ids'),
  },
  { ...closed, $id: 'Overview', description: 'The service at a glance.' },
);
export type Overview = Static<typeof overview>;
