/**
 * Permission bits of an access control entry (OCF Security §12.2.1). The service hands them out, the device enforces them.
 */
export const permissions = { create: 1, retrieve: 2, update: 4, delete: 8, notify: 16 } as const;
