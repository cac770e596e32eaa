import type { CoapOption, MessageParts } from './message.ts';
import { optionNumber, uintOf, uintOption } from './options.ts';

/** The value of a Block1 or Block2 option (RFC 7959 §2.2). */
export interface Block {
  /** Number of the block, in units of its size. */
  readonly number: number;
  readonly more: boolean;
  /** Size exponent: 0 .. 6 for 16 .. 1024 bytes; 7 is BERT, several blocks of 1024 in one message (RFC 8323 §6). */
  readonly exponent: number;
}

export const bertExponent = 7;
/** 20 bits. */
const maxBlockNumber = 0xf_ffff;

export function blockOf(options: readonly CoapOption[], number: number): Block | undefined {
  const value = uintOf(options, number);
  return value === undefined ? undefined : { number: value >>> 4, more: (value & 8) !== 0, exponent: value & 7 };
}

/** @throws RangeError when the block number does not fit into 20 bits. */
export function blockOption(number: number, block: Block): CoapOption {
  if (block.number > maxBlockNumber)
    throw new RangeError(`block number ${block.number}: the highest is ${maxBlockNumber}`);
  return uintOption(number, block.number * 16 + (block.more ? 8 : 0) + block.exponent);
}

/** The bytes that one step of the block number stands for. */
export const blockUnit = (exponent: number): number => (exponent >= bertExponent ? 1024 : 16 << exponent);

export const blockOffset = (block: Block): number => block.number * blockUnit(block.exponent);

/** Whether a block that is not the last has a payload of the right size: all of it, or for BERT a multiple. */
export const isFullBlock = (block: Block, length: number): boolean =>
  block.exponent >= bertExponent ? length > 0 && length % 1024 === 0 : length === blockUnit(block.exponent);

/**
 * Whether a request is one message of a block-wise transfer, its opening for a large answer not counted. These go as CON even
 * for a NON request, as the reference device sends them (plgd-device c3): one loss would otherwise end the whole transfer.
 */
export function isOneOfMany({ options }: Pick<MessageParts, 'options'>): boolean {
  return (
    blockOf(options, optionNumber.block1) !== undefined || (blockOf(options, optionNumber.block2)?.number ?? 0) > 0
  );
}
