/** What stands between a session and its socket: a simulated network in front of the real one. */
export interface Tap {
  /** The session sends. */
  outgoing(bytes: Uint8Array): void;
  /** The session is over: nothing more goes out. */
  outgoingEnd(): void;
  /** The socket has received. */
  incoming(bytes: Uint8Array): void;
  /** The peer of a stream has closed its side. */
  incomingEnd(): void;
}

/** Where a tap puts what it lets through, in its own time. */
export interface TapEnds {
  toSocket(bytes: Uint8Array): void;
  endSocket(): void;
  toSession(bytes: Uint8Array): void;
  endSession(): void;
}

export type MakeTap = (ends: TapEnds) => Tap;

/** Lets everything through at once. */
export const noTap: MakeTap = (ends) => ({
  outgoing: (bytes) => ends.toSocket(bytes),
  outgoingEnd: () => ends.endSocket(),
  incoming: (bytes) => ends.toSession(bytes),
  incomingEnd: () => ends.endSession(),
});
