import type { Millis } from '../core/clock.ts';
import type { DeviceCost } from './outcome.ts';

/** What a radio draws in each of its states, and how fast it is. Every number has its origin in `source`. */
export interface RadioProfile {
  readonly name: string;
  readonly about: string;
  /** Where the numbers are from, and what was put in where there is none. */
  readonly source: string;
  /** mW while it sends, while it receives, and the rest of the time that the device is at work. */
  readonly sending: number;
  readonly receiving: number;
  readonly waiting: number;
  /** kbit/s of IP packets. */
  readonly rateUp: number;
  readonly rateDown: number;
  /** mJ from sleep to the first packet, once. */
  readonly wake: number;
  /** ms that it stays awake after the last packet. */
  readonly tail: Millis;
}

/**
 * An estimate, in mJ, of what the radio takes from switching on until the device has arrived:
 *
 *     wake + sending * up + receiving * down + waiting * (max(0, ms - up - down) + tail)
 *
 * with up and down the times that the packets take at the profile's rates, IPv4 headers included (28 bytes a UDP datagram,
 * 40 a TCP segment: RFC 791, 768, 9293). It leaves out the processor, losses below IP, TCP's bare acknowledgements and
 * sleep between two tries: a device that waits long for its next try would do better than this.
 *
 * @param ms from switching on to arrival
 */
export function estimateEnergy(
  profile: RadioProfile,
  transport: 'udp' | 'tcp',
  cost: Pick<DeviceCost, 'bytesOut' | 'bytesIn' | 'datagramsOut' | 'datagramsIn'>,
  ms: Millis,
): number {
  const header = transport === 'udp' ? 28 : 40;
  const up = (8 * (cost.bytesOut + header * cost.datagramsOut)) / profile.rateUp;
  const down = (8 * (cost.bytesIn + header * cost.datagramsIn)) / profile.rateDown;
  const waiting = Math.max(0, ms - up - down) + profile.tail;
  return profile.wake + (profile.sending * up + profile.receiving * down + profile.waiting * waiting) / 1000;
}

/** The profile of this name. @throws RangeError naming those that there are. */
export function radioProfile(name: string): RadioProfile {
  const found = radioProfiles.find((profile) => profile.name === name);
  if (found) return found;
  const known = radioProfiles.map((profile) => profile.name).join(', ');
  throw new RangeError(`"${name}" is no radio profile: write one of ${known}`);
}

const milliwatts = (milliamperes: number, volts: number): number => milliamperes * volts;

/** nRF9160, LTE-M, 5 V: a message exchange took 0.152 mWh, the wake-up alone 0.1 mWh, 0.8 s and 10 s of connection less. */
const connectedMilliwatts = ((0.152 - 0.1) * 3600) / (0.8 + 10);

export const radioProfiles: readonly RadioProfile[] = [
  {
    name: 'nb-iot',
    about: 'NB-IoT at 23 dBm, one tone, good coverage, no early release',
    source:
      'Currents at 3.6 V: u-blox SARA-N2 data sheet (sending 220 mA, receiving 46 mA, active 6 mA), as quoted in the ' +
      'Exelonix NB|EASY user manual. Rates of Cat NB1: M5Stack, Module NB-IoT (15.625 kbit/s up, 21.25 down). Wake-up: ' +
      'Nordic nRF9160 Product Specification, modem current consumption, EPSM_TAU of Cat-NB1 (550 mJ). 10 s of connection ' +
      'after the last packet: boaks/zephyr-coaps-client, docu/POWERCONSUMPTION.md.',
    sending: milliwatts(220, 3.6),
    receiving: milliwatts(46, 3.6),
    waiting: milliwatts(6, 3.6),
    rateUp: 15.625,
    rateDown: 21.25,
    wake: 550,
    tail: 10_000,
  },
  {
    name: 'lte-m',
    about: 'LTE-M at 23 dBm, good coverage, no early release',
    source:
      'Nordic nRF9160 Product Specification, modem current consumption, Cat-M1, band 20, at 3.7 V: 105 mA at 180 kbit/s up ' +
      'and 23 dBm; EPSM_TAU (105 mJ) for waking up. Receiving is put at the 45 mA of 0 dBm and the same rate, an upper ' +
      'bound. Connected and waiting: 17 mW over 10 s, from the difference of a wake-up (0.1 mWh) and an exchange ' +
      '(0.152 mWh) in boaks/zephyr-coaps-client, docu/POWERCONSUMPTION.md.',
    sending: milliwatts(105, 3.7),
    receiving: milliwatts(45, 3.7),
    waiting: connectedMilliwatts,
    rateUp: 180,
    rateDown: 180,
    wake: 105,
    tail: 10_000,
  },
  {
    name: '802.15.4',
    about: 'IEEE 802.15.4 at 2.4 GHz and 0 dBm, 6LoWPAN, receiver always on',
    source:
      'Nordic nRF52840 Product Specification, RADIO, at 3 V with DC/DC: 6.40 mA sending at 0 dBm, 6.53 mA receiving, ' +
      '250 kbit/s. 81 of the 133 bytes of a frame on the air are left to the packet (RFC 4944 section 4, with link ' +
      'security, and 6 bytes of preamble and length). The next router is one hop away; joining the mesh is not counted.',
    sending: milliwatts(6.4, 3),
    receiving: milliwatts(6.53, 3),
    waiting: milliwatts(6.53, 3),
    rateUp: (250 * 81) / 133,
    rateDown: (250 * 81) / 133,
    wake: 0,
    tail: 0,
  },
  {
    name: 'wifi',
    about: 'Wi-Fi 802.11g at 54 Mbit/s and 15 dBm, no power saving',
    source:
      'Espressif ESP32-WROOM-32E Datasheet v2.0, table 16, at 3.3 V: 190 mA sending at 54 Mbit/s and 15 dBm, 112 mA ' +
      'receiving; the receiver is taken to be on all the time. Joining the network is not counted.',
    sending: milliwatts(190, 3.3),
    receiving: milliwatts(112, 3.3),
    waiting: milliwatts(112, 3.3),
    rateUp: 54_000,
    rateDown: 54_000,
    wake: 0,
    tail: 0,
  },
];
