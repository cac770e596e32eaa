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
export type { Alarm } from './device/alarms.ts';
export { createDeviceClient, type DeviceClient, type DeviceClientOptions } from './device/client.ts';
export type { Fingerprint } from './device/context.ts';
export { type FactoryIdentity, readFactory } from './device/identity.ts';
export { type DeviceKey, type KeyChoice, type KeySlots, selectKey } from './device/keys.ts';
export { type LocalServer, serveDevice } from './device/local-server.ts';
export type { Network } from './device/network.ts';
export { openPkcs11Key, type Pkcs11Key, type Pkcs11KeyOptions } from './device/pkcs11.ts';
export type { Report, StepReport } from './device/report.ts';
export { documentedRetry, type RetryRule } from './device/retry.ts';
export { SimulatedDevice, type SimulatedDeviceOptions } from './device/simulator.ts';
export type { RunReason, StartDecision } from './device/start-gate.ts';
export type { Endpoint } from './device/state.ts';
export { cloudFlags, type DeviceStatus, lastErrors, progressFlags } from './device/status.ts';
export { type DeviceStorage, folderStorage, memoryStorage } from './device/storage.ts';
export { type EndpointSiteOptions, openEndpointSite } from './fleet/endpoint-site.ts';
export type { FleetOutcome, FleetProgress, RunEnd, Violation } from './fleet/outcome.ts';
export { htmlPage } from './fleet/report/html.ts';
export { type JsonReport, jsonReport } from './fleet/report/json.ts';
export { junitXml } from './fleet/report/junit.ts';
export { passed, type Report as FleetReport, reportOn } from './fleet/report/report.ts';
export { summaryText } from './fleet/report/text.ts';
export { type FleetHooks, runFleet } from './fleet/run.ts';
export type { Scenario, Target } from './fleet/scenario.ts';
export { readScenario } from './fleet/scenario-file.ts';
export type { Site } from './fleet/site.ts';
export { type GatewayOptions, type RunningGateway, startGateway } from './gateway.ts';
export { type LocalSiteOptions, startLocalSite } from './local-site.ts';
export { type Service, type ServiceOptions, startService } from './main.ts';
export {
  type DevelopmentDevice,
  type DevelopmentPki,
  loadDevelopmentPki,
  writeDevelopmentPki,
} from './pki/development.ts';
export { type SimulatedSite, type SimulatedSiteOptions, startSimulatedSite } from './simulation.ts';
export type { Attempt, AttemptEntry, AttemptSummary, Credential, Device, EnrollmentGroup, Hub } from './store/model.ts';
export type { Store } from './store/store.ts';
