// From measured rounds to numbers, ratios and verdicts.
import { median, quantile } from './figures.mjs';
import { kinds, transports } from './measure.mjs';

/** What the numbers are held against (issue 2). */
const targets = { handshake: 1.3, issue: 1.3, provisioning: 3, stormP99: 20, idleSession: 72 * 1024 };

/** ms of the public-key operations that a job needs on the service's side, with ready keys. */
const raw = {
  /** ECDHE key, agreement, own signature; the device's CertificateVerify, its leaf, its intermediate. */
  handshake: ({ generate, agree, sign, verify }) => generate + agree + sign + 3 * verify,
  issue: ({ importKey, verify, sign }) => importKey + verify + sign,
  /** Two sessions, a certificate, an access token. */
  provisioning: (operations) => 2 * raw.handshake(operations) + raw.issue(operations) + operations.sign,
};

/** @returns {{ machine, operations, rows: Row[], ... }} every row: name, unit, value, beside it references and ratios, target, met */
export function report({ machine, cpu, storm, memory }) {
  const over = (of) => median(cpu.map(of));
  const handshakes = kinds.map(({ name }) => {
    const of = (what) => (round) => round.handshakes[name][what];
    return row(`${name} handshake`, {
      cpu: over(of('service')),
      edge: over(of('edge')),
      raw: over(({ operations }) => raw.handshake(operations)),
      engine: over(of('engine')),
      perRaw: over((round) => of('service')(round) / raw.handshake(round.operations)),
      perEngine: over((round) => of('service')(round) / of('engine')(round)),
      edgePerEngine: over((round) => of('edge')(round) / of('engine')(round)),
      against: 'perEngine',
      target: targets.handshake,
    });
  });
  const issue = row('certificate issued', {
    cpu: over((round) => round.issue),
    raw: over(({ operations }) => raw.issue(operations)),
    perRaw: over((round) => round.issue / raw.issue(round.operations)),
    against: 'perRaw',
    target: targets.issue,
  });
  const provisionings = transports.map(({ name }) =>
    row(`provisioning over ${name}`, {
      cpu: over((round) => round.provisionings[name].cpu),
      raw: over(({ operations }) => raw.provisioning(operations)),
      perRaw: over((round) => round.provisionings[name].cpu / raw.provisioning(round.operations)),
      against: 'perRaw',
      target: targets.provisioning,
    }),
  );
  return {
    machine,
    operations: Object.fromEntries(
      Object.keys(cpu[0].operations).map((name) => [name, over(({ operations }) => operations[name])]),
    ),
    cpu: [...handshakes, issue, ...provisionings],
    traffic: transports.map(({ name }) => {
      const { bytesIn, bytesOut, roundTrips } = cpu[0].provisionings[name];
      return { name, bytesIn, bytesOut, roundTrips };
    }),
    storm: Object.entries(storm).map(([name, { quiet, busy, perSecond }]) => ({
      name,
      handshakesPerSecond: perSecond,
      samples: busy.length,
      quiet: { p50: quantile(quiet, 0.5), p99: quantile(quiet, 0.99) },
      busy: { p50: quantile(busy, 0.5), p99: quantile(busy, 0.99), max: busy.at(-1) },
      target: targets.stormP99,
      met: quantile(busy, 0.99) <= targets.stormP99,
    })),
    memory: Object.entries(memory).map(([name, found]) => ({
      name,
      ...found,
      target: targets.idleSession,
      met: found.each <= targets.idleSession,
    })),
  };
}

const row = (name, numbers) => ({ name, ...numbers, met: numbers[numbers.against] <= numbers.target });
