/**
 * Marks every credential and access control entry of ours: the device replaces what it has under this tag, and takes an
 * answer without it for empty (plgd-device b4).
 */
export const provisioningTag = 'dps';
