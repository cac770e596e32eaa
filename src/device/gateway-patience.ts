import { type Millis, seconds } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { DeviceContext } from './context.ts';
import type { CloudState } from './state.ts';

const checkInterval = seconds(1);

/**
 * How long a device stays at a gateway that does not let it in: until the observer's checks are over, or the retry table of
 * the cloud client is used up, whichever comes first (contract, plgd-service 4, behaviours 19 to 22).
 */
export class GatewayPatience {
  private readonly context: DeviceContext;
  private checksEnd: Millis | undefined;
  private tries = 0;

  constructor(context: DeviceContext) {
    this.context = context;
  }

  /** When the checks are over; undefined while nothing is observed. */
  get end(): Millis | undefined {
    return this.checksEnd;
  }

  begin(now: Millis): void {
    this.tries = 0;
    this.observe(now);
  }

  /** Signed in, or no longer wanted. */
  rest(): void {
    this.tries = 0;
    this.checksEnd = undefined;
  }

  /** After a try that failed: ms to wait before the next one, or undefined when the table is used up and it is time to leave. */
  afterFailure(cloud: CloudState | undefined, now: Millis): Millis | undefined {
    const { cloudRetry, cloudChecks } = this.context.settings;
    if (this.checksEnd === undefined) this.observe(now);
    const wait = cloudRetry[this.tries];
    const nowhereElse = cloudChecks === 0 && (cloud?.gateways.length ?? 0) < 2;
    if (wait === undefined && !nowhereElse) return undefined;
    this.tries++;
    return wait ?? cloudRetry.at(-1) ?? limits.device.cloudRequest;
  }

  private observe(now: Millis): void {
    const { cloudChecks } = this.context.settings;
    this.checksEnd = cloudChecks === 0 ? undefined : now + cloudChecks * checkInterval;
  }
}

/** Index of the gateway after the selected one. After the last there is none with the observer; without it, the first again. */
export function nextGateway({ gateways, selected }: CloudState, cloudChecks: number): number | undefined {
  if (selected + 1 < gateways.length) return selected + 1;
  return cloudChecks === 0 ? 0 : undefined;
}
