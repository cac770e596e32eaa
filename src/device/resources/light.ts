import { decided } from '../../core/errors.ts';
import { type DeviceResource, unusable, withCommon } from './resource.ts';

/** `/light/1`: something to switch, so that a hub or an owner has a thing to try. */
export const lightResource: DeviceResource = {
  href: '/light/1',
  types: ['core.light'],
  interfaces: ['oic.if.rw', 'oic.if.baseline'],
  isPublic: false,
  isDiscoverable: true,
  instance: 3,
  get(view) {
    const { state, power } = view.device.light;
    return withCommon(this, view, { state, power });
  },
  post(body, { device: { light } }) {
    const { state = light.state, power = light.power } = body;
    if (typeof state !== 'boolean') return unusable('state', 'send true or false');
    if (typeof power !== 'number' || !Number.isSafeInteger(power)) return unusable('power', 'send an integer');
    if (state === light.state && power === light.power) return decided(() => undefined);
    Object.assign(light, { state, power });
    return decided(() => {
      for (const changed of [...light.watching]) changed();
    });
  },
  watch(changed, { light }) {
    light.watching.add(changed);
    return () => light.watching.delete(changed);
  },
};
