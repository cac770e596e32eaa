// The report for people.
import { aligned } from './figures.mjs';

export function render({ machine, operations, cpu, traffic, storm, memory }) {
  const verdict = (met) => (met ? 'met' : 'MISSED');
  return [
    '',
    `${machine.cores} x ${machine.cpu}, Node ${machine.node}, OpenSSL ${machine.openssl}`,
    `one operation, ms: ${Object.entries(operations)
      .map(([name, ms]) => `${name} ${ms.toFixed(3)}`)
      .join(', ')}`,
    '',
    table(
      ['server CPU, ms each', 'service', 'edge only', 'engine', 'raw keys', 'per engine', 'per raw', 'target', ''],
      cpu.map((row) => [
        row.name,
        ms(row.cpu),
        ms(row.edge),
        ms(row.engine),
        ms(row.raw),
        times(row.perEngine),
        times(row.perRaw),
        `${row.target} x ${row.against === 'perRaw' ? 'raw' : 'engine'}`,
        verdict(row.met),
      ]),
    ),
    table(
      ['one provisioning', 'bytes up', 'bytes down', 'round trips'],
      traffic.map(({ name, bytesIn, bytesOut, roundTrips }) => [
        `over ${name}`,
        bytesIn.toFixed(0),
        bytesOut.toFixed(0),
        roundTrips.toFixed(1),
      ]),
    ),
    table(
      [
        'round trip of an open session, ms',
        'quiet p50',
        'p99',
        'storm p50',
        'p99',
        'max',
        'handshakes/s',
        'target',
        '',
      ],
      storm.map(({ name, quiet, busy, handshakesPerSecond, target, met }) => [
        `over ${name}, 128 handshakes at a time`,
        ...[quiet.p50, quiet.p99, busy.p50, busy.p99, busy.max].map((value) => value.toFixed(1)),
        handshakesPerSecond.toFixed(0),
        `p99 <= ${target}`,
        verdict(met),
      ]),
    ),
    table(
      ['memory per idle session, KiB', 'resident', 'of it JavaScript', 'target', ''],
      memory.map(({ name, sessions, each, heapEach, target, met }) => [
        `over ${name}, ${sessions} sessions`,
        (each / 1024).toFixed(1),
        (heapEach / 1024).toFixed(1),
        `<= ${target / 1024}`,
        verdict(met),
      ]),
    ),
  ].join('\n');
}

const ms = (value) => (value === undefined ? '' : value.toFixed(3));
const times = (value) => (value === undefined ? '' : value.toFixed(2));

function table(head, rows) {
  const [names, ...lines] = aligned([head, ...rows], { numbers: true });
  const width = Math.max(...[names, ...lines].map((line) => line.length));
  return [names, '-'.repeat(width), ...lines, ''].join('\n');
}
