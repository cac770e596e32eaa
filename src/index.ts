/** firstboot as a library: a provisioning service, a small cloud and simulated devices inside your own tests. */

export { describe, type ErrorCode, type Evidence, errorTable, FirstbootError, type Refusal } from './core/errors.ts';
export type { Log } from './core/log.ts';
export { statusFlags, statusNames } from './core/status.ts';
export {
  createDevelopmentPki,
  type DevelopmentSettings,
  developmentHub,
  developmentSettings,
} from './development.ts';
export { createDeviceClient, type DeviceClient, type DeviceClientOptions } from './device/client.ts';
export type { FactoryIdentity } from './device/identity.ts';
export type { Network } from './device/network.ts';
export type { Report, StepReport } from './device/report.ts';
export { documentedRetry, type RetryRule } from './device/retry.ts';
export { SimulatedDevice, type SimulatedDeviceOptions } from './device/simulator.ts';
export { cloudFlags, type DeviceStatus, lastErrors, progressFlags } from './device/status.ts';
export { type DeviceStorage, folderStorage, memoryStorage } from './device/storage.ts';
export { type GatewayOptions, type RunningGateway, startGateway } from './gateway.ts';
export { type Service, type ServiceOptions, startService } from './main.ts';
export {
  type DevelopmentDevice,
  type DevelopmentPki,
  loadDevelopmentPki,
  writeDevelopmentPki,
} from './pki/development.ts';
export type { Attempt, AttemptEntry, AttemptSummary, Credential, Device, EnrollmentGroup, Hub } from './store/model.ts';
export type { Store } from './store/store.ts';
