import { type Millis, systemTimers } from '../core/clock.ts';
import { OrderedTimers } from './ordered-timers.ts';
import type { PathOptions, Site } from './site.ts';
import { SocketNetwork } from './socket-path.ts';

/** How often a run in real time is asked whether it is over, ms. */
const glance: Millis = 20;

/** What sites with real sockets have in common: the machine's clock, and a socket for each session. */
export function realTime(): Pick<Site, 'timers' | 'connect' | 'run'> {
  const network = new SocketNetwork(new OrderedTimers(systemTimers));
  return {
    timers: systemTimers,
    connect: (options: PathOptions) => network.connect(options),
    async run(done, limit) {
      for (;;) {
        if (done()) return true;
        if (systemTimers.now() >= limit) return false;
        const next = Math.min(limit, systemTimers.now() + glance);
        await new Promise<void>((resolve) => systemTimers.schedule(next, resolve));
      }
    },
  };
}
