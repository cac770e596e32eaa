import { days, hours, minutes, seconds } from './clock.ts';

/** Bounds of what operators and their programs have of a service: part of `limits`. */
export const surfaceLimits = {
  api: {
    /** A request with a body that is no import. */
    requestBytes: 1024 * 1024,
    /** A bulk import; it is read as it comes. */
    importBytes: 64 * 1024 * 1024,
    /** Of what is wrong with a request, so much is told. */
    faults: 5,
    /** Rows that a page of a list has, unless it is asked otherwise, and at most. */
    page: 50,
    listed: 500,
    /** How long an answer is kept for the same request with the same idempotency key. */
    idempotencyLife: hours(24),
    keptAnswers: 10_000,
    /** Of one principal: its own oldest ones make room. */
    keptAnswersEach: 500,
    idempotencyKey: 200,
    /** Dashboards that are signed in, and for how long. */
    signedIn: 1000,
    signedInEach: 20,
    signedInLife: hours(12),
    /** Live event streams at a time, and events that wait for a slow reader before it is let go (it resumes). */
    eventStreams: 200,
    eventStreamsEach: 20,
    /** How often it is looked whether the reader of a stream may still have it: its token may be revoked. */
    streamRecheck: seconds(15),
    eventBacklog: 1000,
    tokens: 1000,
    webhooks: 100,
    /** Open connections, and of one address that is not of this machine: the oldest that serve nobody known make room. */
    connections: 1000,
    connectionsPerAddress: 256,
    /** Requests of one principal that are under way, and whose connections are kept when others have to make room. */
    servedEach: 100,
    /** A request's headers, then all of it, have to be here within these; a connection on which nothing moves is cut. */
    headers: seconds(10),
    request: minutes(10),
    idle: minutes(1),
    /** What is still missing of the body of a request of nobody known, or of one that is answered already, has to be here within this. */
    body: seconds(10),
    /** How long a drain waits for requests that are under way. */
    drain: seconds(10),
    /** Characters of a parameter of a path. */
    parameter: 500,
    /** Callers whose failed sign-ins are counted, by address; an answer to one waits longer each time, to a bound. */
    failedCallers: 10_000,
    failedMemory: minutes(10),
    failedDelay: 100,
    failedDelayMax: seconds(5),
    /** Failed sign-ins of one address, and of all, that wait at a time; what comes beyond is told so at once. */
    failedWaiting: 10,
    failedWaitingAll: 200,
    /** A bearer token, characters. */
    bearer: 8 * 1024,
    /** Name of a token, or what a JWT calls its subject, as it stands in the audit log. */
    name: 128,
    /** What an OIDC issuer says of itself, and its keys. */
    oidcBytes: 256 * 1024,
    oidcRequest: seconds(5),
    oidcAge: hours(1),
    /** After keys have been fetched, or a fetch has failed, an unknown key has them fetched again after this at the earliest. */
    oidcPause: seconds(30),
    /** Difference between the clocks of an issuer and ours. */
    oidcSkew: seconds(30),
    /** All files of the dashboard, and how many there are. */
    dashboardBytes: 16 * 1024 * 1024,
    dashboardFiles: 500,
  },
  events: {
    /** The newest are held in memory, written or not; a store that is away for longer than they last loses some. */
    held: 10_000,
    /** They are written in lots of so many at most, after this long at most; when the store is away, again after this. */
    writeDelay: 100,
    writeBatch: 500,
    writeRetry: seconds(1),
    /** What happened so long before the last event that is stored was told before it. */
    lateness: minutes(1),
    /** At the start attempts that were opened so long before the newest one are looked at: whether they were told. */
    lookBack: hours(1),
    /** Handed to a reader at a time. */
    page: 100,
    /** Pieces of the log that one answer of the history looks through. */
    historyPieces: 100,
    /** A stream without events shows that it is alive; a caller that was cut off is asked to come back after this. */
    heartbeat: seconds(15),
    comeBack: seconds(2),
    /** Types that one reader or webhook asks for, and the characters of one. */
    types: 50,
    typeCharacters: 64,
  },
  statistics: {
    /** Sums are written after this; when the store is away, again after that. */
    writeDelay: seconds(3),
    writeRetry: seconds(10),
    /** Owners that one slot tells apart before it is written; sums that wait for a store that is away. */
    owners: 1000,
    rows: 10_000,
    /** Slots of one answer. */
    answered: 2000,
  },
  webhooks: {
    /** One delivery, from the connection to the status of the answer. */
    timeout: seconds(10),
    inFlight: 8,
    /** Events that are taken from the log at a time. */
    batch: 64,
    /** Events of one webhook that wait for another try: with more, no further ones are taken from the log. */
    waiting: 500,
    /** Pauses before each further try, with up to a fifth more at random; after the last one it is a dead letter. */
    retries: [seconds(5), seconds(30), minutes(2), minutes(10), minutes(30), hours(2), hours(6), hours(12)],
    /** After so many failures in a row events are tried one at a time. */
    failing: 8,
    /** Dead letters that are kept of one webhook; the oldest make room. */
    dead: 10_000,
    /** How far a webhook is, is noted this often while nothing is for it; and a fault of the store is waited out for this. */
    cursorDelay: minutes(1),
    storeRetry: seconds(5),
    /** Characters of an address; bytes of a secret. */
    url: 2048,
    secretLeast: 24,
    secretMost: 64,
  },
  operations: {
    /** How often the files of the configuration are looked at, and how many at most. */
    watch: seconds(5),
    watched: 10_000,
    /** Open attempts get this long to come to their end before the service stops, unless it is told otherwise. */
    drain: seconds(20),
    /** Names of groups and routes that metrics tell apart; those of later ones are added up as `other`. */
    metricGroups: 100,
    metricRoutes: 200,
    /** A certificate or authority that ends within this is told by the readiness of the service. */
    endingSoon: days(14),
    /** How often it is tried whether the store can be written when nobody writes. */
    storeProbe: seconds(10),
    /** Attempts of which a trace is open at a time. */
    traces: 10_000,
    /** Files of a backup. */
    backupFiles: 10_000,
  },
  client: {
    /** A command that asks a running service: how long nothing may come, and how large an answer may be. */
    silence: minutes(5),
    answerBytes: 256 * 1024 * 1024,
    /** The last answers, which are looked at again when one of them turns out to be odd. */
    answers: 4,
    /** An event on a stream. */
    eventBytes: 1024 * 1024,
    /** After a stream broke it is asked for again after this, then ever later. */
    comeBack: seconds(1),
    comeBackMost: minutes(1),
    /** A stream on which nothing came for so long is broken: it shows that it is alive more often. */
    streamSilence: minutes(1),
    /** A file with a token. */
    tokenBytes: 16 * 1024,
  },
  operator: {
    /** Rows of the store that are read at a time, at first and later; and that a list answers with at most. */
    firstPage: 64,
    page: 500,
    listed: 1000,
    /** Last attempts that are shown with a device. */
    shownAttempts: 10,
    /** Rows that one page of a list looks through: it may be short, and have a next one. */
    rowsSearched: 1000,
    /** Characters of an id that are enough to look for it. */
    idPrefix: 8,
    /** Names that a complaint gives. */
    candidates: 5,
    /** Rows that an operation writes at once; what is larger goes in pieces, as its description says. */
    commitRows: 20_000,
  },
} as const;
