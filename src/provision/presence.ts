import type { Evidence } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';

/** One session of a manufacturer key, while it is alive. */
export interface Stay {
  /**
   * It asks something. Evidence comes back, once, the second time that it asks after a session of the same key that began
   * later, at another host, has asked something: the device did not move there, or this one would be silent. The first time
   * says nothing: somebody on the way can hold a question back, carry the device's next session through another address, and
   * then let go. He has one question to do that with: a device waits for the answer before it asks again (NSTART is 1,
   * RFC 7252 §4.7).
   */
  asks(): Evidence | undefined;
  leaves(): void;
}

/**
 * Where manufacturer keys are alive: sees one key in two places. A device that gets another address goes on with a new session
 * and leaves the old one alone. Remembers no more than two sessions of a key, and none of a key without any: its size is that of
 * the sessions that are open.
 */
export class Presence {
  private readonly byKey = new Map<Uuid, Places>();
  private arrivals = 0;

  /** @param peer the address with its port, which says nothing: behind a translator it changes. */
  arrive(keyId: Uuid, peer: string): Stay {
    const places = this.byKey.get(keyId) ?? { alive: 0, newest: undefined, newestElsewhere: undefined };
    this.byKey.set(keyId, places);
    places.alive++;
    const visit: Visit = { order: ++this.arrivals, host: hostOf(peer) };
    let outlived = 0;
    let left = false;
    return {
      asks: () => {
        const other = elsewhere(places, visit);
        noteVisit(places, visit);
        if (other === undefined || ++outlived !== 2) return undefined;
        return { here: visit.host, there: other.host };
      },
      leaves: () => {
        if (left) return;
        left = true;
        places.alive--;
        if (places.alive === 0) this.byKey.delete(keyId);
      },
    };
  }
}

interface Visit {
  /** Of its beginning. */
  readonly order: number;
  readonly host: string;
}

interface Places {
  alive: number;
  /** Of the sessions that have asked something: the one that began last, and the one that began last at another host. */
  newest: Visit | undefined;
  newestElsewhere: Visit | undefined;
}

const elsewhere = ({ newest, newestElsewhere }: Places, visit: Visit): Visit | undefined =>
  [newest, newestElsewhere].find((other) => other && other.order > visit.order && other.host !== visit.host);

function noteVisit(places: Places, visit: Visit): void {
  const { newest, newestElsewhere } = places;
  if (newest === undefined || visit.order > newest.order) {
    places.newest = visit;
    if (newest && newest.host !== visit.host) places.newestElsewhere = newest;
  } else if (visit.host !== newest.host && (!newestElsewhere || visit.order > newestElsewhere.order)) {
    places.newestElsewhere = visit;
  }
}

/** `192.0.2.1:4711`, `[2001:db8::1]:4711`: without the port. */
const hostOf = (peer: string): string => peer.replace(/:\d+$/, '');
