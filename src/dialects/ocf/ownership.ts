import { decided } from '../../core/errors.ts';
import type { OcfResource } from './resource.ts';

/** `GET .../ownership`: `{"devowneruuid"}` and no other key, or the device refuses the answer (plgd-device b2). */
export const ownership: OcfResource = {
  path: '/api/v1/provisioning/ownership',
  method: 'GET',
  step: 'ownership',
  async answer(session, _request, now) {
    const answer = await session.ownership(now);
    if (!answer.ok) return answer;
    return decided(() => ({ devowneruuid: answer.value.ownerId }));
  },
};
