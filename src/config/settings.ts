/** Settings of the service that a flag and the environment can give besides the file. One table for help, README and reading. */
export const settings = {
  data: {
    flag: '--data <folder>',
    variable: 'FIRSTBOOT_DATA',
    key: 'data',
    fallback: 'firstboot-data',
    what: 'folder of the store, keys and certificates',
  },
  host: {
    flag: '--host <address>',
    variable: 'FIRSTBOOT_HOST',
    key: 'host',
    fallback: '127.0.0.1',
    what: 'address that devices reach',
  },
  port: {
    flag: '--port <number>',
    variable: 'FIRSTBOOT_PORT',
    key: 'port',
    fallback: '20030',
    what: 'UDP and TCP port that devices reach; 0: any free one each',
  },
  transports: {
    flag: '--transports <list>',
    variable: 'FIRSTBOOT_TRANSPORTS',
    key: 'transports',
    fallback: 'udp,tcp',
    what: 'udp (coaps), tcp (coaps+tcp) or both',
  },
  mtu: {
    flag: '--mtu <bytes>',
    variable: 'FIRSTBOOT_MTU',
    key: 'mtu',
    fallback: '1200',
    what: 'largest UDP payload sent, from 300; longer handshake messages are cut, longer answers go in blocks',
  },
  issuerPort: {
    flag: '--issuer-port <number>',
    variable: 'FIRSTBOOT_ISSUER_PORT',
    key: 'issuer.port',
    fallback: '20080',
    what: 'HTTP port of the built-in token issuer; 0: any free one',
  },
  apiPort: {
    flag: '--api-port <number>',
    variable: 'FIRSTBOOT_API_PORT',
    key: 'api.port',
    fallback: '20090',
    what: 'HTTP port of the API and the dashboard; 0: any free one, off: none',
  },
  gateway: {
    flag: '--gateway <uri>',
    variable: 'FIRSTBOOT_GATEWAY',
    key: 'gateway',
    fallback: 'coaps+tcp://127.0.0.1:20031',
    what: 'where the development hub is, as devices reach it; for a service without groups',
  },
  logLevel: {
    flag: '--log-level <level>',
    variable: 'FIRSTBOOT_LOG_LEVEL',
    key: 'logLevel',
    fallback: 'info',
    what: 'of the log on standard error: silent, error, warn, info or debug',
  },
} as const satisfies Readonly<Record<string, Setting>>;

export interface Setting {
  readonly flag: string;
  readonly variable: string;
  /** In firstboot.yaml; dots go into the nested mapping. */
  readonly key: string;
  readonly fallback: string;
  readonly what: string;
}

/** The texts they arrive in. */
export type Overrides = { readonly [Name in keyof typeof settings]?: string };

/** DTLS needs room for a fragment with its header; UDP ends where IP does. */
export const mtuRange = { smallest: 300, largest: 65_507 } as const;
