import { isoTime } from '../../core/clock.ts';
import { decided } from '../../core/errors.ts';
import type { OcfResource } from './resource.ts';

/** `GET /x.plgd.dev/time`: `{"time": RFC 3339 text}`, the first thing a device without a clock asks for (plgd-device b1). */
export const time: OcfResource = {
  path: '/x.plgd.dev/time',
  method: 'GET',
  step: 'time',
  async answer(session, _request, now) {
    const answer = await session.time(now);
    if (!answer.ok) return answer;
    return decided(() => ({ time: isoTime(answer.value) }));
  },
};
