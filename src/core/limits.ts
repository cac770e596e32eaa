import { days, hours, minutes, seconds } from './clock.ts';
import { surfaceLimits } from './surface-limits.ts';

/** Every bound of the system in one place: sizes in bytes, times in ms. Nothing keyed by a peer's data grows without one. */
export const limits = {
  secure: {
    /** DTLS datagram payload we send; larger certificate flights are fragmented at this (RFC 6347 §4.1.1). */
    mtu: 1200,
    /** TLS record payload we write: the reference device drops a session on a record over 8373 bytes. */
    recordBytes: 4096,
    /** A peer's certificate chain, in DER. */
    chainBytes: 16 * 1024,
    handshake: seconds(30),
    /** Sessions whose handshake is not finished. */
    halfOpen: 1000,
    sessions: 20_000,
    /** Handshake steps on libuv's pool at a time: more would starve file system and DNS. */
    poolJobs: 2,
    /** Of each stretch of time, handshake steps get this much of the main thread; what comes beyond goes to the pool. */
    stretch: 10,
    stretchHandshakes: 3,
    /** Life of a cookie key; the previous one is still accepted. */
    cookieKey: minutes(5),
    /** First retransmission of a DTLS flight; doubles up to the maximum (RFC 6347 §4.2.4.1). */
    flightTimeout: seconds(1),
    flightTimeoutMax: seconds(60),
    keyUpdates: 256,
    /** Decrypted or encrypted bytes that wait for their reader. */
    queuedBytes: 64 * 1024,
    pskIdentityBytes: 128,
  },
  session: {
    /** A session without traffic is closed. */
    idle: minutes(2),
    /** A peer that does not read its answers is cut off. */
    stall: seconds(30),
    requestDeadline: seconds(20),
    requestsInFlight: 8,
  },
  coap: {
    messageBytes: 8 * 1024 + 512,
    bodyBytes: 64 * 1024,
    options: 64,
    optionBytes: 1034,
    /** Block size exponent used over UDP: 1024 bytes (RFC 7959 §2.2). */
    blockExponent: 6,
    /** Block-wise bodies in assembly, per session. */
    transfers: 4,
    transfer: minutes(2),
    /** Answers kept for duplicate detection, per session. */
    duplicates: 64,
    duplicateBytes: 64 * 1024,
    /** How long a CON or NON message id is remembered: EXCHANGE_LIFETIME, NON_LIFETIME (RFC 7252 §4.8.2). */
    exchangeLifetime: seconds(247),
    nonLifetime: seconds(145),
    /** First retransmission of a CON; with the random factor up to 1.5 times as long, then doubling (RFC 7252 §4.8). */
    ackTimeout: seconds(2),
    ackRandomFactor: 1.5,
    maxRetransmit: 4,
    /** CON messages to one peer that wait for their ACK at a time; the rest queue (RFC 7252 §4.7). */
    nstart: 1,
    /** Resources that one session may observe. */
    observations: 8,
    /** A notification is a CON after this many NON ones, or this long after the client was last heard of (RFC 7641 §4.5). */
    unconfirmedNotifications: 5,
    confirmNotification: minutes(5),
    /** An answer that takes longer is sent separately, after an empty ACK: well before the peer's ACK_TIMEOUT. */
    separateAfter: seconds(1),
    /** How long an own ping waits over TCP. */
    pingTimeout: seconds(10),
    /** Text of a peer's Abort or Release that is kept. */
    diagnosticBytes: 256,
  },
  cbor: { depth: 16, items: 4096, bytes: 64 * 1024 },
  der: { depth: 16, bytes: 16 * 1024 },
  pem: { blocks: 10, bytes: 64 * 1024 },
  crl: {
    /** A revocation list, ours or a manufacturer's, DER: some 150,000 certificates. */
    bytes: 8 * 1024 * 1024,
    /** A file or an answer with lists: PEM, and our own server's has several of them. */
    documentBytes: 24 * 1024 * 1024,
  },
  path: { certificates: 10 },
  pki: {
    identityDays: days(90),
    backdate: hours(1),
    serialBytes: 16,
    /** An issuer must outlive a new certificate by this, or the device refuses it as expiring. */
    minimumLife: hours(2),
    /** Our own revocation lists: signed again after this, sooner when something was revoked, and good for so long. */
    crlRefresh: hours(1),
    crlLife: hours(24),
    /** How long it may take until a revocation is on the list: a new one is not made more often. */
    crlRecheck: seconds(1),
  },
  config: {
    /** A file of settings or a scenario. */
    fileCharacters: 1024 * 1024,
    /** Problems of one file that are named, and findings of the schema that they are made of. */
    problems: 100,
    schemaErrors: 4096,
  },
  store: {
    /** Events that are kept for those who come back, and for webhooks. */
    events: 100_000,
    /** Statistics are added up for so long each, and kept for so long. */
    statisticsSlot: minutes(5),
    statisticsAge: days(90),
    /** Upper bounds, ms, of the counts of what stages and whole runs took; one count more is of what took longer. */
    stageBounds: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
    runBounds: [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000, 300_000],
    /** Group commit: synced writes are collected for at most this long or this many. */
    commitDelay: 2,
    commitBatch: 64,
    attemptsPerDevice: 1000,
    /** Attempts older than this are removed. */
    attemptAge: days(90),
    /** What a device has been through, and its open alarms: the newest are kept. */
    lineage: 64,
    alarms: 16,
    /** Attempts that never got as far as a device: refused handshakes, strangers. The newest are kept. */
    unfiledAttempts: 25_000,
    /** Writes that wait for the disk; more are answered busy. A record has several, with those of the indexes. */
    queuedWrites: 40_000,
    /** Writes that belong together (an import) may be this many; from `largeBatch` on they go one such lot at a time. */
    batchWrites: 4_000_000,
    largeBatch: 2000,
    /** Rows of a long range that are in memory at a time. */
    scanRows: 500,
    /**
     * Characters of devices' texts that are kept in memory for searches, about 140 a device; that are looked through at a
     * stretch; and changes of a piece of them that are put in their places at once.
     */
    searchedText: 64 * 1024 * 1024,
    searchStretch: 4 * 1024 * 1024,
    searchChanges: 64,
    /** How often old records are looked for. */
    pruneInterval: hours(1),
    /** What is cleaned up at a time: attempts, and rows of counts. */
    pruneAttempts: 100,
    pruneCounts: 1000,
  },
  provision: {
    /** Attempts open at a time. */
    openAttempts: 20_000,
    /** Attempts of peers that never proved a key: so many of each reason a minute are recorded, the others only counted. */
    strangersRecorded: 30,
    /** And so many of each reason a day: one reason alone shall not push the others out of store.unfiledAttempts. */
    strangersRecordedDaily: 1000,
    /** Counts of the others are written after this. */
    strangersDelay: seconds(5),
    /** Of them, by hour and reason, that wait for a store that is away. */
    strangersCounts: 1000,
    /** Sessions of one run are joined to one attempt when they follow within this time. */
    run: minutes(5),
    /** Characters of a peer's own text (a path) that go on record. */
    recordedText: 200,
    /** New device ids (factory resets) that one manufacturer key may take at once, and how often one more. */
    resetBurst: 30,
    resetInterval: minutes(1),
    /** Unknown devices that a group takes by one shared pre-shared key (`x*`) at once, and how often one more. */
    newcomerBurst: 2000,
    newcomerInterval: seconds(2),
    /** Entries of one attempt; what a chatty peer does beyond is not recorded. */
    attemptEntries: 500,
    /** Entries of a run are written at its turns (a certificate, the end of a session), at the latest after this. */
    entryDelay: seconds(1),
    /** Closed attempts that wait for a store that is away. */
    unsavedAttempts: 1000,
    unsavedRetry: seconds(5),
    /** Changes of a device record that wait to be written. */
    pendingChanges: 32,
    /** Tries to write a device record that somebody else keeps changing. */
    writeConflicts: 5,
  },
  policy: {
    /** Entries of each list that is written in a group itself. */
    selectors: 1000,
    /** Characters of a selector, a template, a note or a reason. */
    text: 256,
    /** An extra configuration payload, as JSON. */
    payloadBytes: 2048,
    entries: 100,
    /** Files of a policy folder. */
    files: 1000,
    /** Lines of one import: they are written at once. */
    importLines: 150_000,
    /** Problems that an import writes out. */
    importProblems: 1000,
    /** A dry run: devices that it names, strangers that it judges, attempts of a device that it looks through for evidence. */
    dryRunChanges: 100_000,
    dryRunStrangers: 50_000,
    dryRunAttempts: 5,
  },
  ...surfaceLimits,
  cloud: {
    tokenRequest: seconds(10),
    /** A webhook that names the hub of a device, unless its group says otherwise. */
    allocation: seconds(5),
    allocationsInFlight: 64,
    allocationBytes: 16 * 1024,
    tokenLife: hours(1),
    /** Life of the token with which a gateway renews a device's access token. */
    refreshLife: days(90),
    /** Requests to an authorization server under way at a time; more are answered busy. */
    tokenRequestsInFlight: 64,
    /** What an authorization server may answer. */
    tokenBytes: 64 * 1024,
    /** An access token: a device takes texts shorter than 4096 bytes (contract, plgd-device b3). */
    accessTokenBytes: 4095,
    /** Discovery documents that are kept, and for how long. */
    authorities: 64,
    discoveryLife: minutes(10),
    /** A request to the token issuer. */
    issuerRequestBytes: 16 * 1024,
    gatewaySessions: 20_000,
    /** Devices that a gateway remembers, present or not. */
    gatewayDevices: 50_000,
    /** Resources that a device may publish. */
    links: 128,
    publishBytes: 16 * 1024,
    /** How often a gateway asks for revocation lists, and how soon again when it got none. */
    crlRefresh: minutes(5),
    crlRetry: seconds(30),
    /** Until a list is there: it may be some megabytes. */
    crlRequest: minutes(1),
    /** Manufacturers' lists: each is fetched this often unless it says less, and after failures sooner, then ever later. */
    crlFetch: days(1),
    crlFetchLeast: minutes(10),
    crlFetchRetry: minutes(1),
    crlFetchRetryMost: hours(1),
  },
  device: {
    responseBytes: 8192,
    endpoints: 16,
    /** A credential that expires within this is not used. */
    expiring: hours(1),
    /** Each text of a cloud configuration, and of what a gateway answers. */
    cloudTextBytes: 4096,
    /** Requests and handshakes at the cloud's gateway. */
    cloudRequest: seconds(10),
    /** A token is not refreshed sooner than this after the last time, however short its life. */
    refreshPause: seconds(10),
    /** Entries of the retry table of the cloud client. */
    cloudRetries: 16,
    /** How long a factory reset waits for the cloud to be told, and how long a hub that was left is tried. */
    resetSignOff: seconds(2),
    signOff: seconds(10),
    /** Steps that a simulated device remembers for its report. */
    reportedSteps: 1000,
    /** How long a simulated device is waited for. */
    wait: minutes(2),
    /** The stored state of one device. */
    stateBytes: 256 * 1024,
    /** Addresses that the device's cleartext server remembers; the one that has been silent longest makes room. */
    clearPeers: 64,
    /** Larger answers go in blocks in the clear: 256 bytes hold every small resource whole, and make a poor amplifier. */
    clearBlockExponent: 4,
    /** A request in the clear: what strangers begin to upload takes room before anybody looks at their rights. */
    clearBodyBytes: 4096,
    /** Local secure sessions of one subject; a new one takes the place of the oldest. */
    sessionsOfSubject: 8,
    /** A local secure session without traffic is closed, as in the reference device. */
    localIdle: minutes(10),
    /** Characters of the URI or name of a provisioning service. */
    endpointText: 512,
    /** Addresses of the machine that a device names as its own. */
    addresses: 8,
    /** Objects of a hardware token that are looked at, and certificates of a chain that is read from it. */
    tokenObjects: 128,
    tokenChain: 8,
  },
  fleet: {
    /** The last doings of a device that are kept, and the characters of each. */
    trace: 24,
    traceText: 120,
    /** Different reasons of failures that are told apart. */
    failureReasons: 200,
    /** Serial numbers of identity certificates that a device remembers; the newest are kept. */
    serials: 64,
    /** A hostile device does something this often, and this many times. */
    hostilePause: seconds(1),
    hostileActs: 600,
    /** ClientHellos that a flooding device sends at a time. */
    floodBurst: 20,
    /** Messages of garbage in a session. */
    garbageMessages: 8,
    garbageBytes: 900,
    /** Requests of a device that does not read the answers. */
    unreadRequests: 64,
    /** Of one run. */
    devices: 200_000,
    /** Parts of a population, and events, of one scenario. */
    parts: 50,
    events: 100,
    /** Of one device. */
    resets: 100,
    powerCuts: 100,
    /** Processes of one run. */
    workers: 64,
    report: {
      /** Points of a series over time. */
      bins: 60,
      /** Reasons of failure that are shown; the others are added up. */
      reasons: 20,
      /** Characters of one line of the run: a reason, a finding, a line of a trace. */
      text: 300,
      /** Characters of any text of a page. */
      paragraph: 1000,
      /** Violations that are written out: on a terminal, per test case, on the page, as JSON. */
      summaryViolations: 10,
      junitViolations: 20,
      pageViolations: 50,
      jsonViolations: 1000,
    },
  },
} as const;
