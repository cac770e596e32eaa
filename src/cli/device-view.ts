import type { Millis } from '../core/clock.ts';
import { describe } from '../core/errors.ts';
import { statusNames } from '../core/status.ts';
import type { StepReport } from '../device/report.ts';
import type { SimulatedDevice } from '../device/simulator.ts';
import { steps } from '../device/steps.ts';
import { timeText } from '../fleet/report/quantities.ts';
import { bad, faint, good, strong } from './output.ts';
import { plain } from './plain.ts';

/** A device as it stands, for a terminal: status, flags, when it tries again, its cloud, alarms. */
export class DeviceView {
  private readonly device: SimulatedDevice;
  private readonly retry: readonly Millis[];
  /** Tries of provisioning steps that failed since the last one that did not. */
  private failed = 0;
  private again: { readonly step: string; readonly at: Millis; readonly reason: string } | undefined;

  /** @param retry the device's retry table, ms */
  constructor(device: SimulatedDevice, retry: readonly Millis[]) {
    this.device = device;
    this.retry = retry;
  }

  /** A step has ended. */
  stepped({ step, result, refusal }: StepReport, now: Millis): void {
    if (result === 'done') {
      this.failed = 0;
      this.again = undefined;
    } else if (steps.some((name) => name === step)) {
      const wait = this.retry[this.failed % this.retry.length] ?? 0;
      this.failed++;
      this.again = { step, at: now + wait, reason: refusal ? plain(describe(refusal)) : result };
    }
  }

  /** After a reset nothing is tried again. */
  reset(): void {
    this.failed = 0;
    this.again = undefined;
  }

  lines(now: Millis): string[] {
    const { client, name } = this.device;
    const { status, online, alarms, selectedEndpoint } = client;
    const { cloud } = client.state;
    const gateway = cloud?.gateways[cloud.selected];
    const lines = [
      '',
      `${strong(name)} ${status.text === 'provisioned' ? good(status.text) : status.text}  ${faint(statusNames(status.flags).join(' '))}`,
      `  service  ${selectedEndpoint?.uri ?? 'none: it waits to be told one'}`,
      `  cloud    ${online ? good('online') : 'not signed in'}${gateway ? faint(`  ${gateway.uri}`) : ''}`,
    ];
    if (cloud?.payload) lines.push(`  payload  ${JSON.stringify(cloud.payload)}`);
    if (this.again) {
      const left = Math.max(0, this.again.at - now);
      const wait = left === 0 ? 'is tried again' : `again in ${timeText(Math.ceil(left / 1000) * 1000)}`;
      lines.push(`  retry    ${bad(this.again.step)} ${wait}, failed ${this.failed} in a row: ${this.again.reason}`);
    }
    if (alarms.size > 0) lines.push(`  alarms   ${bad([...alarms].join(', '))}`);
    return lines;
  }
}
