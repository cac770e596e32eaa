/**
 * What somebody should look at. `Disconnected`: the device is on, is to be at its cloud, and is not signed in there.
 * `ProvisioningFailed`: a run failed for good, or for the third time in a row in a way that may pass; it goes on trying.
 */
export type Alarm = 'Disconnected' | 'ProvisioningFailed';
