import type { Device } from '../../../store/model.ts';

/** What people know a device by: its subject, else its ids. */
export const deviceName = ({
  manufacturer,
  deviceId,
  keyId,
}: Pick<Device, 'manufacturer' | 'deviceId' | 'keyId'>): string =>
  manufacturer.subject !== '' ? manufacturer.subject : (deviceId ?? keyId);
