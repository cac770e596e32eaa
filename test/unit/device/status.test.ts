import { describe, expect, it } from 'vitest';
import { statusFlags } from '../../../src/core/status.ts';
import { progressFlags, provisionStatus, publicFlags } from '../../../src/device/status.ts';

describe('the status of a device', () => {
  it.each([
    [0, 'uninitialized', 0],
    [1, 'initialized', 1],
    [4097, 'provisioning time', 1],
    [8193, 'provisioned time', 1],
    [9217, 'provisioning owner', 1],
    [10241, 'provisioned owner', 1],
    [10305, 'provisioning cloud', 1],
    [10369, 'provisioned cloud', 9],
    [10371, 'provisioning credentials', 9],
    [10373, 'provisioned credentials', 11],
    [10381, 'provisioning acls', 11],
    [10389, 'provisioned acls', 15],
    [10645, 'provisioned', 15],
    [11157, 'renew credentials', 15],
    [10381 | progressFlags.transientFailure, 'transient failure', 11 | 64],
    [10381 | progressFlags.failure, 'failure', 11 | 64],
  ])('%i is "%s", public flags %i', (progress, text, flags) => {
    expect(provisionStatus(progress)).toBe(text);
    expect(publicFlags(progress)).toBe(flags);
  });

  it('has the documented public flags', () => {
    expect(statusFlags).toEqual({ initialized: 1, hasCredentials: 2, hasAcls: 4, hasCloud: 8, failure: 64 });
  });
});
